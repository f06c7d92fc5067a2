//! Upgrades: after a 101 both connections carry bytes, no longer HTTP (RFC 9110, 7.8).

use std::rc::Rc;
use std::sync::Arc;

use http::{Version, response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::Refusal;
use super::answer_body::{Carrier, Streamed};
use crate::answer::Reason;
use crate::endpoint::InFlight;
use crate::forward::client::{Busy, ClientConnection};
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
    on_client: Option<OnUpgrade>,
) -> Result<(response::Parts, Streamed), Refusal> {
    let Agreed { mut parts, carrier, in_flight, link } = agreed;
    let (Some(on_client), Some(target)) = (on_client, carrier.into_switched()) else {
        return Err(Reason::UpgradeFailed.into());
    };
    strip_response(&mut parts.headers, parts.status, Version::HTTP_11).map_err(|_| Reason::UpgradeFailed)?;
    let tunnel = Tunnel {
        in_flight,
        // The connection stays busy for the sweep, which would otherwise take it for idle.
        busy: Busy::begin(&client.state),
        alive: client.worker.enter(),
    };
    client.worker.dialer().driven().drive(&link, None, tunnel.run(on_client, target));
    parts.version = Version::HTTP_11;
    Ok((parts, Streamed::handed_over(Carrier::Switched)))
}

/// What lasts as long as the tunnel.
struct Tunnel {
    in_flight: InFlight,
    busy: Busy,
    alive: crate::worker::Alive,
}

impl Tunnel {
    async fn run(self, on_client: OnUpgrade, mut target: Switched) {
        let result = async {
            let mut client = TokioIo::new(on_client.await?);
            Ok::<_, hyper::Error>(tokio::io::copy_bidirectional(&mut client, &mut target).await)
        };
        match result.await {
            Ok(Ok((from_client, from_target))) => {
                tracing::debug!(from_client, from_target, "an upgraded connection ended");
            }
            Ok(Err(error)) => tracing::debug!(%error, "an upgraded connection broke off"),
            Err(error) => tracing::debug!(%error, "an upgrade failed"),
        }
        drop(self.in_flight);
        drop(self.busy);
        drop(self.alive);
    }
}
