//! Follows a part of a resource for ever: a list, then a watch from there, resumed whenever it ends.
//!
//! Not kube's own watcher, for three reasons: it takes up a watch that ends at once again without a pause, it holds
//! objects with all of their metadata, and where an answer cannot be read it logs the whole of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::backoff::{Backoff, one_of};
use super::failure::Failure;
use super::projected::{Named, Version};
use super::resource::Part;
use super::troubles::Troubles;

/// How long an answer to a request may take to begin and, of a list, to end.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// A watch is heard from at least this often: the API server sends a bookmark at least every 75 seconds. A connection
/// that is silent for longer may be dead without anyone having said so.
const SILENCE: Duration = Duration::from_secs(90);
/// How many seconds the API server is asked to let a watch run; differing, so that not all end together.
const WATCH: std::ops::Range<u32> = 200..290;
/// A watch that ends earlier, and without having shown anything, is no success.
const SHORT: Duration = Duration::from_secs(1);
/// After so many refusals in a row the position itself may be what is wrong (an API server restored from a backup).
const PATIENCE: u32 = 3;

/// What is seen of a part.
#[derive(Debug)]
pub(super) enum Sighting<T> {
    /// A list begins. What the last one showed and this one will not is gone once it ends.
    Begins,
    /// Some of the list.
    Listed(Vec<T>),
    /// The list ends; it shows the part as of this version.
    Ends(Version),
    /// An object is new or changed.
    Applied(T),
    /// An object is gone.
    Deleted(T),
}

/// One part and where what is seen of it goes.
pub(super) struct Follower<T, E> {
    client: Client,
    part: Arc<Part>,
    what: String,
    tell: fn(Arc<Part>, Sighting<T>) -> E,
    events: mpsc::Sender<E>,
    troubles: Troubles,
    backoff: Backoff,
    /// Lists are asked for in pages: not, after a page came too late.
    paged: bool,
}

/// Why following a part stops for the moment.
enum Pause {
    /// Nobody listens any more.
    Unheard,
    /// A request came to nothing.
    Failed(Failure),
}

impl From<Failure> for Pause {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

#[derive(Deserialize)]
/// A page of a list.
pub(super) struct Page<T> {
    pub(super) metadata: PageMetadata,
    pub(super) items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
/// What a page says of itself.
pub(super) struct PageMetadata {
    pub(super) resource_version: Version,
    #[serde(rename = "continue")]
    continue_: String,
}

impl<T: Named, E: Send + 'static> Follower<T, E> {
    pub(super) fn new(
        client: Client,
        part: Part,
        tell: fn(Arc<Part>, Sighting<T>) -> E,
        events: mpsc::Sender<E>,
        troubles: Troubles,
    ) -> Self {
        let what = format!("watching {part}");
        Self { client, part: Arc::new(part), what, tell, events, troubles, backoff: Backoff::default(), paged: true }
    }

    /// Follows until nobody listens any more.
    pub(super) async fn run(mut self) {
        let mut position = None;
        let mut refusals = 0;
        loop {
            let outcome = match &mut position {
                None => self.list().await.map(|version| position = Some(version)),
                Some(version) => self.watch(version, &mut refusals).await,
            };
            let failure = match outcome {
                Ok(()) => continue,
                Err(Pause::Unheard) => return,
                Err(Pause::Failed(failure)) => failure,
            };
            match &failure {
                // Listing again mends it.
                Failure::Expired => {
                    self.paged = position.is_some();
                    position = None;
                    tracing::debug!(what = self.what, "{failure}: listing again");
                }
                failure => {
                    if matches!(failure, Failure::Refused(_)) {
                        refusals += 1;
                    }
                    let remedy = failure.remedy(self.part.resource);
                    let remedy = remedy.map(|remedy| format!(" ({remedy})")).unwrap_or_default();
                    self.troubles.note(&self.what, &format!("{failure}{remedy}"));
                }
            }
            if refusals >= PATIENCE {
                refusals = 0;
                position = None;
            }
            tokio::time::sleep(self.backoff.next()).await;
        }
    }

    async fn list(&mut self) -> Result<Version, Pause> {
        self.send(Sighting::Begins).await?;
        let mut page = None;
        loop {
            let request = self.part.list(page.as_deref(), self.paged).map_err(|_| Failure::Nonsense)?;
            let answer = self.client.request_text(request);
            let text = timeout(ANSWER, answer).await.map_err(|_| silent())?.map_err(Failure::of)?;
            let Page { metadata, items } = serde_json::from_str::<Page<T>>(&text).map_err(|_| Failure::Nonsense)?;
            drop(text);
            self.send(Sighting::Listed(items.unwrap_or_default())).await?;
            if metadata.continue_.is_empty() {
                self.send(Sighting::Ends(metadata.resource_version.clone())).await?;
                self.paged = true;
                return Ok(metadata.resource_version);
            }
            page = Some(metadata.continue_);
        }
    }

    /// Watches from a version on until the watch ends, which is nothing unusual.
    async fn watch(&mut self, version: &mut Version, refusals: &mut u32) -> Result<(), Pause> {
        let began = Instant::now();
        let seconds = one_of(WATCH);
        let request = self.part.watch(version, seconds).map_err(|_| Failure::Nonsense)?;
        let answer = self.client.request_events::<T>(request);
        let events = timeout(ANSWER, answer).await.map_err(|_| silent())?.map_err(Failure::of)?;
        let mut events = std::pin::pin!(events);
        self.troubles.over(&self.what);
        let mut shown = false;
        loop {
            let Ok(event) = timeout(SILENCE, events.next()).await else {
                tracing::debug!(what = self.what, "silent for too long: watching anew");
                return Ok(());
            };
            let sighting = match event.transpose().map_err(Failure::of)? {
                None => break,
                Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => Sighting::Applied(object),
                Some(WatchEvent::Deleted(object)) => Sighting::Deleted(object),
                Some(WatchEvent::Bookmark(bookmark)) => {
                    *version = Version::new(&bookmark.metadata.resource_version);
                    (shown, *refusals) = (true, 0);
                    self.backoff.reset();
                    continue;
                }
                Some(WatchEvent::Error(status)) => return Err(Failure::answered(status).into()),
            };
            (shown, *refusals) = (true, 0);
            self.backoff.reset();
            if let Sighting::Applied(object) | Sighting::Deleted(object) = &sighting {
                version.clone_from(&object.metadata().resource_version);
            }
            self.send(sighting).await?;
        }
        if !shown && began.elapsed() < SHORT {
            tokio::time::sleep(self.backoff.next()).await;
        } else {
            self.backoff.reset();
        }
        Ok(())
    }

    async fn send(&self, sighting: Sighting<T>) -> Result<(), Pause> {
        let event = (self.tell)(Arc::clone(&self.part), sighting);
        self.events.send(event).await.map_err(|_| Pause::Unheard)
    }
}

pub(super) fn silent() -> Failure {
    Failure::Away(format!("no answer in {} s", ANSWER.as_secs()))
}
