//! Connections to targets.
//!
//! A [`Link`] is shared by all workers: what a pool says about the connections to one target, and the [`gate`] that holds
//! them to their number. [`Connections`] are one worker's own connections over one link. The pool is ours rather than
//! hyper-util's because that one takes a lock over all hosts and a boxed future for each request; HTTP/1.1 on them is ours
//! ([`http1`]), HTTP/2 hyper's. `driven` knows what is open, for the day that a target leaves.

mod body;
mod connect;
mod connections;
mod driven;
mod gate;
mod http1;
mod http2_body;
mod io;
mod kept;
mod link;
mod tcp;
mod tunnel;

pub(crate) use body::{BodyWatch, RequestBody};
pub(crate) use connect::Dialer;
pub(crate) use connections::{Checkout, Connections, Stream};
pub use http1::Http1Error;
pub(crate) use http1::{Again, Answer, Http1, Switched};
pub(crate) use http2_body::Http2Body;
pub(crate) use kept::Kept;
pub(crate) use link::authority;
pub use link::{Link, LinkId};
pub(crate) use tcp::{connect, connect_to};
pub(crate) use tunnel::{tunnel, tunnel_authority};
