//! The last good answers, for requests whose targets' circuit breakers are open.
//!
//! A shared cache by the rules of RFC 9111, with two differences: nothing is answered from it while a target can answer, and
//! then its answers may be stale, unless their origin forbids that. One store for the process, bounded in entries and in
//! bytes; the answers that were kept longest ago go first.

mod asked;
mod rules;

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{AGE, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Response, StatusCode, response};
use rustc_hash::FxBuildHasher;

pub(crate) use asked::Asked;
use rules::Keep;

/// The most bytes of an answer's body that are kept.
const LARGEST: usize = 1 << 20;
/// The most bytes of all that is kept, and the most answers.
const BYTES: usize = 64 << 20;
const ENTRIES: usize = 8192;
/// Parts of the store, each with a lock of its own.
const SHARDS: usize = 16;
/// Answers to the same request that differ in what `Vary` names.
const VARIANTS: usize = 8;
/// An answer that was kept so lately is good enough: busy pages are not copied for each request.
const RECENT: Duration = Duration::from_secs(1);

/// The last good answers of the process.
#[derive(Debug)]
pub(crate) struct LastGood {
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Box<str>, Vec<Entry>, FxBuildHasher>,
    /// The keys by when they were last added to, oldest first.
    order: BTreeMap<u64, Box<str>>,
    next: u64,
    answers: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    keep: Keep,
    headers: HeaderMap,
    body: Bytes,
    kept: Instant,
    /// Where its key stands in the order.
    number: u64,
}

/// An answer on its way to the client that is kept when it has come to its end.
#[derive(Debug)]
pub(crate) struct Capture {
    store: Arc<LastGood>,
    asked: Box<Asked>,
    keep: Keep,
    headers: HeaderMap,
    body: BytesMut,
    outgrown: bool,
}

impl Capture {
    /// Begins to keep an answer, where that is allowed and of use.
    pub(crate) fn begin(asked: Box<Asked>, store: &Arc<LastGood>, answer: &response::Parts) -> Option<Box<Self>> {
        let keep = rules::keep(&asked, answer.status, &answer.headers)?;
        let length = answer.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > LARGEST) || store.is_recent(&asked) {
            return None;
        }
        let body = BytesMut::with_capacity(length.unwrap_or(0));
        let headers = answer.headers.clone();
        Some(Box::new(Self { store: Arc::clone(store), asked, keep, headers, body, outgrown: false }))
    }

    /// The next piece of the body.
    pub(crate) fn push(&mut self, data: &[u8]) {
        if self.outgrown {
            return;
        }
        if self.body.len() + data.len() > LARGEST {
            self.outgrown = true;
            self.body = BytesMut::new();
        } else {
            self.body.extend_from_slice(data);
        }
    }

    /// The answer has come to its end.
    pub(crate) fn keep(mut self) {
        if self.outgrown {
            return;
        }
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        let (keep, headers, body) = (self.keep, self.headers, self.body.freeze());
        let entry = Entry { keep, headers, body, kept: Instant::now(), number: 0 };
        self.store.insert(&self.asked.key, entry);
    }
}

impl LastGood {
    /// A store with nothing in it.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { shards: std::array::from_fn(|_| Mutex::default()) })
    }

    /// The last good answer to a request.
    pub(crate) fn answer(&self, asked: &Asked) -> Option<Response<Bytes>> {
        self.answer_at(asked, Instant::now())
    }

    fn answer_at(&self, asked: &Asked, now: Instant) -> Option<Response<Bytes>> {
        let shard = self.shard(&asked.key);
        let entry = shard.entries.get(&asked.key)?.iter().rev().find(|entry| entry.keep.answers(asked))?;
        let age = entry.keep.age + now.saturating_duration_since(entry.kept);
        if entry.keep.only_for.is_some_and(|lifetime| age > lifetime) {
            return None;
        }
        let mut response = Response::new(entry.body.clone());
        *response.status_mut() = StatusCode::OK;
        *response.headers_mut() = entry.headers.clone();
        response.headers_mut().insert(AGE, HeaderValue::from(age.as_secs()));
        Some(response)
    }

    fn is_recent(&self, asked: &Asked) -> bool {
        let shard = self.shard(&asked.key);
        let mut entries = shard.entries.get(&asked.key).into_iter().flatten();
        entries.any(|entry| entry.keep.answers(asked) && entry.kept.elapsed() < RECENT)
    }

    fn insert(&self, key: &str, entry: Entry) {
        let mut shard = self.shard(key);
        shard.insert(key, entry);
        while shard.bytes > BYTES / SHARDS || shard.answers > ENTRIES / SHARDS {
            if !shard.forget_oldest() {
                break;
            }
        }
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let number = FxBuildHasher.hash_one(key) as usize >> 7;
        // There is a shard for each remainder; the first stands in for what cannot be.
        let [first, ..] = &self.shards;
        self.shards.get(number % SHARDS).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn insert(&mut self, key: &str, mut entry: Entry) {
        let number = self.next;
        self.next += 1;
        self.bytes += entry.bytes() + key.len();
        self.answers += 1;
        entry.number = number;
        let variants = self.entries.entry(key.into()).or_default();
        let same = variants.iter().position(|other| other.keep.same_as(&entry.keep));
        let replaced = same.or((variants.len() >= VARIANTS).then_some(0)).map(|at| variants.remove(at));
        variants.push(entry);
        self.order.insert(number, key.into());
        if let Some(replaced) = replaced {
            self.order.remove(&replaced.number);
            self.bytes -= replaced.bytes() + key.len();
            self.answers -= 1;
        }
    }

    /// Forgets the answer that was kept longest ago; `false`: there is none.
    fn forget_oldest(&mut self) -> bool {
        let Some((number, key)) = self.order.pop_first() else { return false };
        if let Some(variants) = self.entries.get_mut(&key) {
            if let Some(at) = variants.iter().position(|entry| entry.number == number) {
                self.bytes -= variants.remove(at).bytes() + key.len();
                self.answers -= 1;
            }
            if variants.is_empty() {
                self.entries.remove(&key);
            }
        }
        true
    }
}

impl Entry {
    /// What it is counted as: the texts, and an allowance for what holds them.
    fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        self.body.len() + headers + 256
    }
}

#[cfg(test)]
mod tests;
