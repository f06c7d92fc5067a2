//! The program `sluicegate`: one subcommand a file.

pub mod echo;
