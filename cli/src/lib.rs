//! The program `sluicegate`: one subcommand a file.

pub mod echo;
pub mod table_view;
