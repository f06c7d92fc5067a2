//! What the test tiers stand on: the layout's rules, and a harness that runs the program between scripted targets and
//! scripted clients.
//!
//! A harness fails by panicking, with a message that says what was expected: that is what a test is for. It blocks and
//! uses a thread per connection, because a test that reads from top to bottom is easier to trust than a fast one.
#![allow(
    clippy::expect_used,
    clippy::format_collect,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used
)]

pub mod certificates;
pub mod client;
pub mod console;
pub mod faulty;
pub mod fields;
pub mod gate;
pub mod http1;
pub mod http2;
pub mod kubernetes;
pub mod layout;
pub mod load;
pub mod manifests;
pub mod name_server;
pub mod origin;
pub mod ports;
pub mod program;
pub mod relay;
pub mod tools;
pub mod wait;

pub use client::Client;
pub use faulty::{Fault, Faulty};
pub use gate::{Gate, Setup};
pub use http1::Message;
pub use name_server::{NameServer, Says};
pub use origin::Origin;
pub use wait::until;
