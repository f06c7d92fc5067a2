//! Pushing: the watch channel's end on the controller's side.
//!
//! One task encodes each version once (`wire`). Each proxy's stream then computes what that proxy lacks when its
//! connection can take more (`stream`, `difference`): nothing is queued per proxy, so a slow one gets several versions
//! merged into one and holds up nobody. `docs/watch-channel.md` describes what goes over the connection.

mod answers;
pub mod authenticate;
mod certificates;
pub mod clock;
mod connections;
mod difference;
mod requests;
mod server;
mod stream;
mod wire;

pub use certificates::{Certificates, Keeper, UnusableCertificate};
pub use server::{Server, Settings, StartError};
