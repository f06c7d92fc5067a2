//! Upgrades: after a 101 both connections carry bytes, no longer HTTP (RFC 9110, 7.8).

use std::rc::Rc;
use std::sync::Arc;

use http::{Version, response};
use tokio::sync::oneshot;

use super::Refusal;
use super::answer_body::{Carrier, Streamed};
use crate::answer::Reason;
use crate::endpoint::InFlight;
use crate::forward::client::{ClientConnection, ClientSwitched};
use crate::forward::headers::strip_response;
use crate::forward::upstream::{Link, Switched};

/// A target's 101.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) parts: response::Parts,
    pub(super) carrier: Carrier,
    pub(super) in_flight: InFlight,
    pub(super) link: Arc<Link>,
}

/// Passes a 101 on and, once both sides have switched, the bytes in both directions.
#[cold]
pub(super) fn upgrade(
    client: &Rc<ClientConnection>,
    agreed: Agreed,
    asked: bool,
) -> Result<(response::Parts, Streamed), Refusal> {
    let Agreed { mut parts, carrier, in_flight, link } = agreed;
    let Some(target) = carrier.into_switched().filter(|_| asked) else {
        return Err(Reason::UpgradeFailed.into());
    };
    strip_response(&mut parts.headers, parts.status, Version::HTTP_11).map_err(|_| Reason::UpgradeFailed)?;
    let tunnel = Tunnel { in_flight, alive: client.worker.enter() };
    client.worker.dialer().driven().drive(&link, None, tunnel.run(client.switched(), target));
    parts.version = Version::HTTP_11;
    Ok((parts, Streamed::handed_over(Carrier::Switched)))
}

/// What lasts as long as the tunnel.
struct Tunnel {
    in_flight: InFlight,
    alive: crate::worker::Alive,
}

impl Tunnel {
    async fn run(self, client: oneshot::Receiver<ClientSwitched>, mut target: Switched) {
        if let Ok(mut client) = client.await {
            match tokio::io::copy_bidirectional(&mut client, &mut target).await {
                Ok((from_client, from_target)) => {
                    tracing::debug!(from_client, from_target, "an upgraded connection ended");
                }
                Err(error) => tracing::debug!(%error, "an upgraded connection broke off"),
            }
        } else {
            tracing::debug!("the client went before its connection was upgraded");
        }
        drop(self.in_flight);
        drop(self.alive);
    }
}
