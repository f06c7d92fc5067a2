//! An API server of objects in memory, as far as lists, watches and gets go, with the faults that a real one has.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Full, StreamBody, combinators::UnsyncBoxBody};
use kube::Client;
use kube::client::Body;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tower::service_fn;

/// The server. All clones are one.
#[derive(Clone, Default)]
pub(super) struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<Id, Json>,
    history: Vec<(u64, Id, Json)>,
    /// Versions up to this one are forgotten.
    compacted: u64,
    watches: Vec<(String, Option<String>, mpsc::UnboundedSender<Bytes>)>,
    /// Answers in place of the right ones, by the part of the path that they are for.
    faults: VecDeque<(String, Fault)>,
    away: bool,
    requests: Vec<String>,
}

/// Resource (`rules`), namespace, name.
type Id = (String, String, String);

/// What goes wrong once.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// This status instead of an answer.
    Status(u16),
    /// A watch that ends before it has shown anything.
    Ends,
    /// An answer that is no JSON.
    Nonsense,
    /// No answer, ever.
    Silence,
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl Api {
    pub(super) fn client(&self) -> Client {
        let api = self.clone();
        Client::new(service_fn(move |request| api.clone().answer(request)), "default")
    }

    /// Creates or replaces an object. Metadata is completed; the generation grows where the spec differs.
    pub(super) fn put(&self, resource: &str, namespace: &str, name: &str, mut object: Json) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        let id = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let before = state.objects.get(&id).cloned();
        let generation = match &before {
            None => 1,
            Some(before) => {
                before["metadata"]["generation"].as_u64().unwrap() + u64::from(before["spec"] != object["spec"])
            }
        };
        let uid =
            before.as_ref().map_or_else(|| json!(format!("uid-{}", state.version)), |it| it["metadata"]["uid"].clone());
        let metadata = json!({
            "name": name, "namespace": namespace, "generation": generation, "uid": uid,
            "resourceVersion": state.version.to_string(), "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "test", "fieldsV1": {"f:spec": {}}}],
        });
        let given = object["metadata"].as_object().cloned().unwrap_or_default();
        object["metadata"] = metadata;
        object["metadata"].as_object_mut().unwrap().extend(given);
        state.objects.insert(id.clone(), object.clone());
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        state.happened(&id, &json!({"type": kind, "object": object}));
    }

    pub(super) fn delete(&self, resource: &str, namespace: &str, name: &str) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        let id = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let mut object = state.objects.remove(&id).unwrap();
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.happened(&id, &json!({"type": "DELETED", "object": object}));
    }

    /// Something that goes wrong with the next request whose path and query contain `part`.
    pub(super) fn fault(&self, part: &str, fault: Fault) {
        self.0.lock().unwrap().faults.push_back((part.to_owned(), fault));
    }

    /// Ends all watches, as a restart does.
    pub(super) fn end_watches(&self) {
        self.0.lock().unwrap().watches.clear();
    }

    /// Forgets what happened, so that no watch can be resumed from before.
    pub(super) fn compact(&self) {
        let mut state = self.0.lock().unwrap();
        state.compacted = state.version + 1;
        state.version += 1;
        state.history.clear();
        state.watches.clear();
    }

    /// Goes away, or comes back.
    pub(super) fn set_away(&self, away: bool) {
        let mut state = self.0.lock().unwrap();
        state.away = away;
        state.watches.clear();
    }

    /// How many requests had this in their path and query.
    pub(super) fn requests(&self, part: &str) -> usize {
        self.0.lock().unwrap().requests.iter().filter(|request| request.contains(part)).count()
    }

    async fn answer(self, request: Request<Body>) -> Result<Answer, std::io::Error> {
        let uri = request.uri().to_string();
        let metadata_only =
            request.headers().get("accept").is_some_and(|accept| accept.to_str().unwrap().contains("PartialObject"));
        let fault = {
            let mut state = self.0.lock().unwrap();
            state.requests.push(uri.clone());
            if state.away {
                return Err(std::io::Error::other("connection refused"));
            }
            let position = state.faults.iter().position(|(part, _)| uri.contains(part));
            position.and_then(|position| state.faults.remove(position)).map(|(_, fault)| fault)
        };
        match fault {
            None => Ok(self.0.lock().unwrap().right_answer(&uri, metadata_only)),
            Some(Fault::Status(code)) => {
                let reason = if code == 410 { "Expired" } else { "" };
                let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "told to"});
                Ok(whole(StatusCode::from_u16(code).unwrap(), &status))
            }
            Some(Fault::Ends) => Ok(Response::new(body(stream::empty().boxed()))),
            Some(Fault::Nonsense) => Ok(Response::new(body(stream::iter([Bytes::from_static(b"{nonsense")]).boxed()))),
            Some(Fault::Silence) => std::future::pending().await,
        }
    }
}

impl State {
    fn happened(&mut self, id: &Id, event: &Json) {
        self.history.push((self.version, id.clone(), event.clone()));
        let tell = |(resource, namespace, sender): &(String, Option<String>, mpsc::UnboundedSender<Bytes>)| {
            *resource != id.0
                || namespace.as_ref().is_some_and(|namespace| *namespace != id.1)
                || sender.send(line(event)).is_ok()
        };
        self.watches.retain(tell);
    }

    fn right_answer(&mut self, uri: &str, metadata_only: bool) -> Answer {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let steps: Vec<&str> =
            path.trim_start_matches('/').split('/').skip_while(|step| !step.starts_with('v')).skip(1).collect();
        let (namespace, resource, name) = match steps[..] {
            ["namespaces", namespace, resource] => (Some(namespace), resource, None),
            ["namespaces", namespace, resource, name] => (Some(namespace), resource, Some(name)),
            [resource] => (None, resource, None),
            _ => panic!("{uri}"),
        };
        if let Some(name) = name {
            let id = (resource.to_owned(), namespace.unwrap().to_owned(), name.to_owned());
            let missing = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found"});
            return match self.objects.get(&id) {
                Some(object) => whole(StatusCode::OK, object),
                None => whole(StatusCode::NOT_FOUND, &missing),
            };
        }
        if query.contains_key("watch") {
            return self.watch(resource, namespace, query["resourceVersion"].parse().unwrap());
        }
        let selected = |object: &Json| match query.get("labelSelector").and_then(|selector| selector.split_once("%3D"))
        {
            Some((label, value)) => object["metadata"]["labels"][label.replace("%2F", "/")] == value,
            None => true,
        };
        let all = self.objects.iter().filter(|(id, object)| {
            id.0 == resource && namespace.is_none_or(|namespace| id.1 == namespace) && selected(object)
        });
        let all: Vec<Json> = all.map(|(_, object)| shown(object, metadata_only)).collect();
        let from: usize = query.get("continue").map_or(0, |from| from.parse().unwrap());
        // Pages of two, so that a small list has several.
        let limit = if query.contains_key("limit") { 2 } else { usize::MAX };
        let items: Vec<Json> = all.iter().skip(from).take(limit).cloned().collect();
        let rest = if from + items.len() < all.len() { (from + items.len()).to_string() } else { String::new() };
        let metadata = json!({"resourceVersion": self.version.to_string(), "continue": rest});
        whole(StatusCode::OK, &json!({"kind": "List", "metadata": metadata, "items": items}))
    }

    fn watch(&mut self, resource: &str, namespace: Option<&str>, after: u64) -> Answer {
        let (sender, receiver) = mpsc::unbounded_channel();
        if after < self.compacted {
            let status =
                json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
            sender.send(line(&json!({"type": "ERROR", "object": status}))).unwrap();
        } else {
            for (version, id, event) in &self.history {
                if *version > after && id.0 == resource && namespace.is_none_or(|namespace| id.1 == namespace) {
                    sender.send(line(event)).unwrap();
                }
            }
            self.watches.push((resource.to_owned(), namespace.map(str::to_owned), sender));
        }
        let lines = stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
        Response::new(body(lines.boxed()))
    }
}

fn shown(object: &Json, metadata_only: bool) -> Json {
    if metadata_only { json!({"metadata": object["metadata"]}) } else { object.clone() }
}

fn line(event: &Json) -> Bytes {
    Bytes::from(format!("{event}\n"))
}

fn whole(status: StatusCode, json: &Json) -> Answer {
    let mut answer = Response::new(UnsyncBoxBody::new(Full::new(Bytes::from(json.to_string()))));
    *answer.status_mut() = status;
    answer
}

fn body(lines: BoxStream<'static, Bytes>) -> UnsyncBoxBody<Bytes, Infallible> {
    UnsyncBoxBody::new(StreamBody::new(lines.map(|line| Ok(Frame::data(line)))))
}
