//! Writes Events, few at a time: a storm of them would take from the API server what statuses need.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, warn};

use super::events::{EventSink, Transition};
use super::flapping::Flapping;
use super::pace::Pace;
use crate::lead::Leadership;

/// Who reports.
const REPORTER: &str = "sluicegate.dev/controller";
/// The most that wait. What comes then is dropped.
const MOST_WAITING: usize = 256;
/// Good news is dropped earlier than warnings.
const MOST_WAITING_GOOD_NEWS: usize = MOST_WAITING / 2;
/// The most at once after a quiet time.
const BURST: u32 = 32;
/// The time that each one takes up.
const PACE: Duration = Duration::from_millis(100);
/// How long writing one may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// The task that writes Events. Dropping it ends it.
#[derive(Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Transition>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Starts it. `instance`: the name of this controller's pod.
    pub fn start(client: Client, instance: &str, leadership: Leadership) -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WAITING);
        let task = tokio::spawn(record(waiting, client, instance.to_owned(), leadership));
        Self { queue, task }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EventSink for Recorder {
    fn publish(&self, transition: Transition) {
        let waiting = MOST_WAITING - self.queue.capacity();
        if !transition.warning && waiting >= MOST_WAITING_GOOD_NEWS {
            return debug!(object = %transition.id, reason = transition.reason, "an Event is dropped: there are too many");
        }
        if let Err(mpsc::error::TrySendError::Full(transition)) = self.queue.try_send(transition) {
            debug!(object = %transition.id, reason = transition.reason, "an Event is dropped: there are too many");
        }
    }
}

async fn record(mut waiting: mpsc::Receiver<Transition>, client: Client, instance: String, leadership: Leadership) {
    let mut pace = Pace::new(PACE, BURST, Instant::now());
    let mut flapping = Flapping::default();
    loop {
        let due = flapping.next_due();
        let transition = tokio::select! {
            transition = waiting.recv() => match transition {
                Some(transition) => flapping.take(transition, Instant::now()),
                None => return,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => flapping.due(Instant::now()),
        };
        let Some(transition) = transition else { continue };
        sleep_until(pace.next(Instant::now())).await;
        if !leadership.leads() {
            continue;
        }
        let api = Api::namespaced(client.clone(), &transition.id.key.namespace);
        match timeout(WRITE_TIMEOUT, api.create(&PostParams::default(), &event(&transition, &instance))).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(object = %transition.id, %error, "an Event could not be written"),
            Err(_) => warn!(object = %transition.id, "an Event could not be written: the API server did not answer"),
        }
    }
}

fn event(transition: &Transition, instance: &str) -> Event {
    let Transition { id, uid, action, reason, note, warning } = transition;
    let now = Timestamp::now();
    // Names of objects are as long as those of Events may be.
    let name: String = id.key.name.chars().take(220).collect();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:x}", name.trim_end_matches('.'), now.as_nanosecond())),
            namespace: Some(id.key.namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        action: Some((*action).to_owned()),
        reason: Some(reason.clone()),
        note: Some(note.clone()),
        type_: Some(if *warning { "Warning" } else { "Normal" }.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(format!("{}/{}", sluicegate_crds::GROUP, sluicegate_crds::VERSION)),
            kind: Some(id.kind.to_string()),
            name: Some(id.key.name.clone()),
            namespace: Some(id.key.namespace.clone()),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        }),
        reporting_controller: Some(REPORTER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}
