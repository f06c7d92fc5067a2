//! Connections from clients: accepted, served as HTTP/1.1 or HTTP/2, closed when they stand still.
//!
//! hyper has no time limit that fits an edge (its header timeout also closes idle keep-alive connections and sends no
//! 408), so a connection's [`state`] says what it waits for and the worker's sweep judges it every tick.

mod accept;
mod connection;
mod early;
mod framing;
mod io;
mod state;
mod sweep;

pub(crate) use accept::{Listener, accept};
pub(crate) use connection::ClientConnection;
pub(crate) use state::{Busy, ConnectionState};
pub(crate) use sweep::{Patience, Sweeper};
