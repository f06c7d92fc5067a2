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
use tokio::time::{Instant, sleep, sleep_until, timeout};
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
/// How often one is tried, since its change of a status is told nowhere else.
const TRIES: u32 = 6;
/// The wait before the second try; each later one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

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
        write(&client, &leadership, &transition, event(&transition, &instance)).await;
    }
}

/// Writes an Event, and tries again where it may go better later. Its name is its own, so that it is written once even where
/// an answer is lost. It is for who leads alone; a lease that is renewed late is renewed all the same.
async fn write(client: &Client, leadership: &Leadership, transition: &Transition, event: Event) {
    let api = Api::namespaced(client.clone(), &transition.id.key.namespace);
    let mut wait = FIRST_WAIT;
    for attempt in 1..=TRIES {
        let failed = if leadership.leads() {
            match timeout(WRITE_TIMEOUT, api.create(&PostParams::default(), &event)).await {
                Ok(Ok(_)) => return,
                Ok(Err(kube::Error::Api(status))) if status.reason == "AlreadyExists" && attempt > 1 => return,
                Ok(Err(error)) if is_final(&error) => {
                    return warn!(object = %transition.id, %error, "an Event could not be written");
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "the API server did not answer in time".to_owned(),
            }
        } else {
            "this controller does not lead".to_owned()
        };
        if attempt == TRIES {
            return warn!(object = %transition.id, error = failed, "an Event could not be written");
        }
        debug!(object = %transition.id, error = failed, "an Event could not be written; it will be tried again");
        sleep(wait).await;
        wait *= 2;
    }
}

/// Whether the API server would say the same again.
fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429)
}

fn event(transition: &Transition, instance: &str) -> Event {
    let Transition { id, uid, action, reason, note, warning, .. } = transition;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};
    use sluicegate_table::ObjectKey;
    use tokio::sync::watch;
    use tower::service_fn;

    use super::*;
    use crate::lead::Standing;
    use crate::objects::{Kind, ObjectId};

    /// What an API server does with a request.
    #[derive(Clone, Copy, PartialEq)]
    enum Does {
        Takes,
        /// It takes it, and the answer is lost.
        TakesSilently,
        Breaks,
        Refuses(u16),
    }

    /// An API server.
    #[derive(Clone)]
    struct Server(Arc<Mutex<State>>);

    struct State {
        /// With one request after the other.
        does: Vec<Does>,
        requests: u32,
        events: Vec<String>,
    }

    impl Server {
        async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::io::Error> {
            let event: Value = serde_json::from_slice(&request.into_body().collect_bytes().await.unwrap()).unwrap();
            let name = event["metadata"]["name"].as_str().unwrap().to_owned();
            let does = {
                let mut state = self.0.lock().unwrap();
                state.requests += 1;
                let does = if state.events.contains(&name) { Does::Refuses(409) } else { state.does.remove(0) };
                if matches!(does, Does::Takes | Does::TakesSilently) {
                    state.events.push(name);
                }
                does
            };
            match does {
                Does::Takes => Ok(Response::new(Body::from(event.to_string().into_bytes()))),
                Does::TakesSilently => std::future::pending().await,
                Does::Breaks => Err(std::io::Error::other("connection reset")),
                Does::Refuses(code) => {
                    let reason = if code == 409 { "AlreadyExists" } else { "" };
                    let status =
                        json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": ""});
                    Ok(Response::builder().status(code).body(Body::from(status.to_string().into_bytes())).unwrap())
                }
            }
        }
    }

    /// How often an Event was sent to such a server, and how many it then has; `follows`: for so long this controller does not
    /// lead.
    async fn recorded(does: &[Does], follows: Option<Duration>) -> (u32, usize) {
        let server = Server(Arc::new(Mutex::new(State { does: does.to_vec(), requests: 0, events: Vec::new() })));
        let answering = server.clone();
        let client = Client::new(service_fn(move |request| answering.clone().answer(request)), "team");
        let leads = || Standing::Leads { term: 1, until: Instant::now() + Duration::from_hours(1) };
        let first = if follows.is_some() { Standing::Follows { leader: None } } else { leads() };
        let (standing, view) = watch::channel(first);
        let recorder = Recorder::start(client, "controller-1", Leadership::new(view));
        recorder.publish(Transition {
            id: ObjectId { kind: Kind::Target, key: ObjectKey::new("team", "one") },
            uid: "uid".to_owned(),
            action: "Healthy",
            reason: "CircuitOpen".to_owned(),
            note: "its circuit breaker is open".to_owned(),
            warning: true,
            well: false,
        });
        if let Some(follows) = follows {
            sleep(follows).await;
            standing.send_replace(leads());
        }
        sleep(Duration::from_mins(5)).await;
        let state = server.0.lock().unwrap();
        (state.requests, state.events.len())
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_was_not_taken_is_sent_again_while_that_may_help() {
        use Does::{Breaks, Refuses, Takes, TakesSilently};
        for (does, sent, taken) in [
            (&[Takes][..], 1, 1),
            (&[Breaks, Refuses(500), Refuses(429), Takes], 4, 1),
            (&[TakesSilently], 2, 1),
            (&[Refuses(403)], 1, 0),
            (&[Breaks; TRIES as usize], TRIES, 0),
        ] {
            assert_eq!(recorded(does, None).await, (sent, taken));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_waits_for_a_lease_that_is_renewed_late_and_not_for_ever() {
        assert_eq!(recorded(&[Does::Takes], Some(Duration::from_secs(3))).await, (1, 1));
        assert_eq!(recorded(&[Does::Takes], Some(Duration::from_mins(2))).await, (0, 0));
    }
}
