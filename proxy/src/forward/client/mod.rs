//! Connections from clients: accepted, served as HTTP/1.1 or HTTP/2, closed when they stand still.
//!
//! A connection's [`state`] says what it waits for, and the worker's sweep judges it every tick: hyper, which serves HTTP/2,
//! has no time limits that fit an edge.

mod accept;
mod body;
mod connection;
mod http1;
mod io;
mod state;
mod sweep;

pub(crate) use accept::{Listener, accept};
pub(crate) use body::ClientBody;
pub(crate) use connection::ClientConnection;
pub(crate) use http1::{ClientSwitched, Date};
pub(crate) use state::ConnectionState;
pub(crate) use sweep::{Patience, Sweeper};
