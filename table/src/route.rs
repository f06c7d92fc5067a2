//! A route entry: a Rule as proxies obey it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ObjectKey, Pool, Retry, Target};

/// A Rule as proxies obey it. Switched-off rules have no route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Seconds since the epoch at which the Rule was created; 0 in folder mode. Older rules win ties, then smaller keys.
    #[serde(default)]
    pub created: i64,
    /// Host names; empty: every host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<Hostname>,
    /// The route takes requests that any of these matches; never empty (compile puts in prefix `/`).
    pub matches: Vec<Match>,
    /// The share of what it matches that the route takes; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Share>,
    /// Takes off the matched prefix, or the part of a glob before the star.
    #[serde(default)]
    pub strip_path: bool,
    /// Changes to the request's headers.
    #[serde(default)]
    pub request_headers: HeaderEdits,
    /// How much of a body may be read ahead of forwarding, and be kept for another attempt.
    pub buffer_size: BodySize,
    /// Where requests go.
    pub backend: Backend,
    /// Time limits.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Who gets a free connection first.
    #[serde(default)]
    pub priority: Priority,
    /// When and how requests are tried again; `None`: only what was never sent is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

impl Route {
    /// How much of a body may be read ahead where nothing is written: 1 MiB.
    pub const BUFFER_SIZE: BodySize = 1 << 20;

    /// A route of every host with all else as it is where nothing is written.
    pub fn new(matches: Vec<Match>, backend: Backend) -> Self {
        Self {
            created: 0,
            hostnames: Vec::new(),
            matches,
            traffic: None,
            strip_path: false,
            request_headers: HeaderEdits::default(),
            buffer_size: Self::BUFFER_SIZE,
            backend,
            timeouts: Timeouts::default(),
            priority: Priority::default(),
            retry: None,
        }
    }
}

/// A host name in lower case without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Hostname {
    /// Exactly this name.
    Exact(String),
    /// Any subdomain, of one label or more, of this name: `*.example.com` is kept as `example.com`.
    Wildcard(String),
}

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// The path condition.
    pub path: PathMatch,
    /// Any of these methods; empty: every method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these headers (names in lower case).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// All of these query parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ValueMatch>,
    /// Bounds on the declared content length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<LengthRange>,
    /// Any of these models; a final `*` stands for any text. Empty: no condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Any of these user tiers; empty: no condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_tiers: Vec<String>,
    /// Any of these user segments; empty: no condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user_segments: Vec<String>,
}

impl Match {
    /// The condition on the path alone.
    pub fn new(path: PathMatch) -> Self {
        Self {
            path,
            methods: Vec::new(),
            headers: Vec::new(),
            query: Vec::new(),
            content_length: None,
            models: Vec::new(),
            user_tiers: Vec::new(),
            user_segments: Vec::new(),
        }
    }
}

/// A path condition. Values begin with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// Whole path elements from the start; no final `/` but for `/` itself.
    Prefix(String),
    /// `*` stands for any text within a path element, a final `*` for any text at all.
    Glob(String),
    /// A regular expression that must match the whole path (unanchored text as users wrote it; it has been checked).
    RegularExpression(String),
}

/// A condition on a header or query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueMatch {
    /// Its name.
    pub name: String,
    /// The test on its value.
    pub test: ValueTest,
}

/// A test on a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum ValueTest {
    /// Equal to this.
    Exact(String),
    /// A regular expression that must match the whole value (checked).
    RegularExpression(String),
    /// There at all.
    Present,
}

/// Inclusive bounds on a declared content length, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LengthRange {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

/// A share of traffic, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Share {
    /// 0 to 1,000,000.
    pub millionths: u32,
}

/// Header changes, done in the order remove, set, add. Names are valid and in lower case, values valid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderEdits {
    /// Headers that get exactly this value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(String, String)>,
    /// Headers that get this value besides those they have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(String, String)>,
    /// Headers that are taken off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// A number of bytes.
pub type BodySize = u64;

/// Where a route's requests go.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Backend {
    /// A pool of the table. A pool that is not there answers 503 `invalid-configuration`.
    Pool(ObjectKey),
    /// Targets that the Rule itself holds.
    Inline(Box<InlinePool>),
    /// Nowhere: the Rule is refused and no valid version of it is known. Answers 503 `invalid-configuration`.
    Invalid,
}

/// A pool with its targets, written in a Rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InlinePool {
    /// The pool; its members name the targets below.
    pub pool: Pool,
    /// The targets, by the keys that the pool's members use.
    pub targets: Vec<(ObjectKey, Target)>,
}

/// Time limits of a route; `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// From the request's head until the answer's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Duration>,
    /// From the sending of an attempt until the answer's head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_try: Option<Duration>,
    /// How long an answer's body may stand still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
}

/// Who gets a free connection first; the derived order is the order of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Priority {
    /// Before all others.
    Critical,
    /// Before Normal and Low.
    High,
    /// Before Low.
    #[default]
    Normal,
    /// After all others.
    Low,
}
