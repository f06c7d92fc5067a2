#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod interleavings;

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Election, Identity};
use crate::config;
use crate::lead::{Leadership, LeaseError, Leases, Standing};

/// A lease as an API server keeps it.
#[derive(Default)]
struct Store {
    lease: Option<Lease>,
    version: u64,
    /// Nobody gets an answer.
    away: bool,
}

impl Store {
    fn write(&mut self, lease: &Lease, expected: Option<&str>) -> Result<Lease, LeaseError> {
        let there = self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.as_deref());
        if there != expected {
            return Err(LeaseError::Conflict);
        }
        self.version += 1;
        let mut lease = lease.clone();
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease = Some(lease.clone());
        Ok(lease)
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Store>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap()
    }

    fn holder(&self) -> Option<String> {
        self.lock().lease.as_ref()?.spec.as_ref()?.holder_identity.clone()
    }

    async fn answer(&self) {
        if self.lock().away {
            pending::<()>().await;
        }
    }
}

impl Leases for Shared {
    async fn read(&self) -> Result<Option<Lease>, LeaseError> {
        self.answer().await;
        Ok(self.lock().lease.clone())
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.answer().await;
        self.lock().write(lease, None)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, LeaseError> {
        self.answer().await;
        self.lock().write(lease, lease.metadata.resource_version.as_deref())
    }
}

fn settings() -> config::Lease {
    config::Lease::default()
}

fn identity(pod: &str) -> Identity {
    Identity { pod: pod.to_owned(), address: format!("{pod}.test:8443") }
}

struct Candidate {
    leadership: Leadership,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Candidate {
    fn start(leases: impl Leases + 'static, pod: &str) -> Self {
        let (election, leadership) = Election::new(leases, &identity(pod), settings());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(election.run(async move { drop(stopped.await) }));
        Self { leadership, stop: Some(stop), task }
    }

    async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.task.await.unwrap();
        assert!(!self.leadership.leads());
    }
}

/// How often tests look.
const SAMPLING: Duration = Duration::from_millis(10);

/// The time until `holds`, and up to [`SAMPLING`] more.
async fn until(holds: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        sleep(SAMPLING).await;
        assert!(begun.elapsed() < Duration::from_mins(2), "it never comes");
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_the_second_points_to_it() {
    let store = Shared::default();
    let first = Candidate::start(store.clone(), "a");
    until(|| first.leadership.leads()).await;
    let second = Candidate::start(store.clone(), "b");
    sleep(Duration::from_mins(5)).await;
    assert!(first.leadership.leads());
    assert_eq!(first.leadership.term(), Some(1), "renewing is no new term");
    assert_eq!(second.leadership.standing(), Standing::Follows { leader: Some("a.test:8443".to_owned()) });
    let spec = store.lock().lease.clone().unwrap().spec.unwrap();
    assert_eq!(spec.holder_identity.as_deref(), Some("a_a.test:8443"));
    assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(0), Some(15)));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_gone_is_followed_after_the_leases_duration() {
    let store = Shared::default();
    let first = Candidate::start(store.clone(), "a");
    until(|| first.leadership.leads()).await;
    let second = Candidate::start(store.clone(), "b");
    sleep(Duration::from_secs(30)).await;
    first.task.abort();
    let took = until(|| second.leadership.leads()).await;
    assert!((Duration::from_secs(13)..=Duration::from_secs(17)).contains(&took), "{took:?}");
    assert!(!first.leadership.leads());
    assert_eq!(store.lock().lease.clone().unwrap().spec.unwrap().lease_transitions, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_gives_the_lease_up_at_once() {
    let store = Shared::default();
    let first = Candidate::start(store.clone(), "a");
    until(|| first.leadership.leads()).await;
    let second = Candidate::start(store.clone(), "b");
    sleep(Duration::from_secs(30)).await;
    first.stop().await;
    assert_eq!(store.holder(), None);
    let took = until(|| second.leadership.leads()).await;
    assert!(took <= settings().retry_period + SAMPLING, "{took:?}");
    // A follower has nothing to give up.
    Candidate::start(store.clone(), "c").stop().await;
    assert_eq!(store.holder().as_deref(), Some("b_b.test:8443"));
}

#[tokio::test(start_paused = true)]
async fn a_leader_gives_up_at_the_deadline_while_the_api_server_is_away() {
    let store = Shared::default();
    let first = Candidate::start(store.clone(), "a");
    until(|| first.leadership.leads()).await;
    sleep(Duration::from_secs(30)).await;
    store.lock().away = true;
    let gave_up = until(|| !first.leadership.leads()).await;
    assert!((Duration::from_secs(8)..=settings().renew_deadline + SAMPLING).contains(&gave_up), "{gave_up:?}");
    until(|| first.leadership.standing() == Standing::Follows { leader: None }).await;
    sleep(Duration::from_secs(30)).await;
    store.lock().away = false;
    until(|| first.leadership.leads()).await;
    assert_eq!(first.leadership.term(), Some(2), "it has not led for a while");
    // Nobody waits for an API server that is away for longer than a deadline.
    store.lock().away = true;
    let begun = Instant::now();
    first.stop().await;
    assert!(begun.elapsed() <= settings().renew_deadline + SAMPLING);
}

#[tokio::test(start_paused = true)]
async fn who_starts_again_in_its_pod_does_not_wait_for_itself() {
    let store = Shared::default();
    let first = Candidate::start(store.clone(), "a");
    until(|| first.leadership.leads()).await;
    first.task.abort();
    let again = Candidate::start(store.clone(), "a");
    assert!(until(|| again.leadership.leads()).await < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_one_took_ends_leading_at_the_next_try() {
    let store = Shared::default();
    let first = Candidate::start(store.clone(), "a");
    until(|| first.leadership.leads()).await;
    {
        let mut store = store.lock();
        let mut lease = store.lease.clone().unwrap();
        lease.spec.as_mut().unwrap().holder_identity = Some("x_x.test:8443".to_owned());
        let version = lease.metadata.resource_version.clone();
        store.write(&lease, version.as_deref()).unwrap();
    }
    let took = until(|| !first.leadership.leads()).await;
    assert!(took <= settings().retry_period + SAMPLING, "{took:?}");
    assert_eq!(first.leadership.standing(), Standing::Follows { leader: Some("x.test:8443".to_owned()) });
}
