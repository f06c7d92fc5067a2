//! What proxies obey: the compiled routing table. No I/O.
//!
//! One entry per user object: a Rule becomes a [`Route`], an Upstream a [`Pool`] that names its targets by key, a Target a
//! [`Target`] with its address and credentials. One edit changes one entry. A [`Table`] is a whole version.

mod endpoints;
mod health;
mod key;
mod pool;
mod regex;
mod route;
pub mod scalars;
mod secret;
mod table;
mod target;
pub mod watch;
mod weight;

pub use endpoints::{EndpointAddress, Endpoints};
pub use health::{
    ActiveCheck, Backoff, BreakerScope, CircuitBreaker, Fallback, HealthChecks, HttpProbe, PassiveCheck, Probe, Retry,
    StatusRange,
};
pub use key::ObjectKey;
pub use pool::{Affinity, Algorithm, Connections, EgressProxy, Level, Member, Pool};
pub use regex::{REGEX_NEST_LIMIT, REGEX_SIZE_LIMIT, whole_value};
pub use route::{
    Backend, BodySize, HeaderEdits, Hostname, InlinePool, LengthRange, Match, PathMatch, Priority, Route, Share,
    Timeouts, ValueMatch, ValueTest,
};
pub use secret::{SecretText, revealing};
pub use table::{Entries, Entry, Table};
pub use target::{Credential, Protocol, Target, TargetState, Tls, TrustRoots};
pub use weight::{NotAWeight, Weight};
