//! The watch channel: a controller's server and proxies' clients in one process, over real connections. Kubernetes is
//! not needed: a made-up reviewer says whose token it is.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod admission;
mod health;
mod installation;
mod leaders;
mod pace;
mod raw;
mod relay;
mod resuming;
mod saved;
mod table;
