//! Which requests may be tried again, and after which failures.

use std::sync::Arc;

use http::header::HeaderName;
use http::{HeaderMap, Method, StatusCode};
use sluicegate_table::Retry;

use super::budget::Budget;
use crate::matching::glob::{GlobRest, before_star};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What became of an attempt that may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The target answered with this status.
    Status(StatusCode),
    /// No connection came about, or it broke.
    Connection,
    /// No answer's head came within `timeouts.perTry`.
    Timeout,
}

impl Failure {
    /// Whether another level is tried where the Rule says nothing of retries.
    pub(crate) fn fails_over(self) -> bool {
        match self {
            Self::Status(status) => matches!(status.as_u16(), 502..=504),
            Self::Connection | Self::Timeout => true,
        }
    }
}

/// A Rule's retries, ready to be decided from.
#[derive(Debug)]
pub struct RetryRuntime {
    /// The settings.
    pub(crate) settings: Retry,
    excluded_methods: Option<Box<[Method]>>,
    excluded_paths: Box<[Path]>,
    /// How many may be retried at a time.
    pub(crate) budget: Arc<Budget>,
}

/// An excluded path.
#[derive(Debug)]
struct Path {
    literal: Box<str>,
    /// From the first star on; `None`: the literal part is all.
    rest: Option<GlobRest>,
}

impl RetryRuntime {
    /// `settings` with the counts of `last`, the route's last version.
    pub(crate) fn new(settings: &Retry, last: Option<&Self>) -> Self {
        let methods = settings.excluded_methods.as_ref().map(|methods| {
            methods.iter().filter_map(|method| Method::from_bytes(method.as_bytes()).ok()).collect::<Box<[_]>>()
        });
        let path = |path: &String| Path { literal: before_star(path).into(), rest: GlobRest::of(path) };
        Self {
            excluded_methods: methods,
            excluded_paths: settings.excluded_paths.iter().map(path).collect(),
            budget: last.map(|last| Arc::clone(&last.budget)).unwrap_or_default(),
            settings: settings.clone(),
        }
    }

    /// Whether a request may be tried again once it was sent. `path` is normalised.
    pub(crate) fn allows(&self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        let method = match &self.excluded_methods {
            None => is_idempotent(method, headers),
            Some(excluded) => !excluded.contains(method),
        };
        method && !self.excluded_paths.iter().any(|excluded| excluded.matches(path))
    }

    /// Whether there is any failure that is tried again; `limited`: attempts have a time limit of their own.
    pub(crate) fn covers_any(&self, limited: bool) -> bool {
        let Retry { attempts, statuses, connection_errors, timeouts, .. } = &self.settings;
        *attempts > 0 && (!statuses.is_empty() || *connection_errors || *timeouts && limited)
    }

    /// Whether this failure is one to be tried again.
    pub(crate) fn covers(&self, failure: Failure) -> bool {
        match failure {
            Failure::Status(status) => self.settings.statuses.iter().any(|statuses| statuses.contains(status.as_u16())),
            Failure::Connection => self.settings.connection_errors,
            Failure::Timeout => self.settings.timeouts,
        }
    }
}

impl Path {
    fn matches(&self, path: &str) -> bool {
        path.strip_prefix(&*self.literal).is_some_and(|rest| match &self.rest {
            None => rest.is_empty(),
            Some(glob) => glob.matches(rest),
        })
    }
}

/// Whether a second request does no more than the first (RFC 9110, 9.2.2), by its method or because its client says so.
pub(crate) fn is_idempotent(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
        || headers.contains_key(IDEMPOTENCY_KEY)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn retries(more: &serde_json::Value) -> RetryRuntime {
        let mut settings = json!({
            "attempts": 3,
            "backoff": { "linear": { "interval": { "secs": 0, "nanos": 1 }, "jitter": false } },
            "statuses": [{ "from": 502, "to": 504 }],
            "connectionErrors": true,
            "timeouts": false,
            "budgetPercent": 20,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            settings.as_object_mut().unwrap().insert(key.clone(), value.clone());
        }
        RetryRuntime::new(&serde_json::from_value(settings).unwrap(), None)
    }

    fn allows(retries: &RetryRuntime, method: &Method, path: &str) -> bool {
        retries.allows(method, path, &HeaderMap::new())
    }

    #[test]
    fn only_what_is_idempotent_is_tried_again_unless_methods_are_named() {
        let usual = retries(&json!({}));
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE] {
            assert!(allows(&usual, &method, "/"), "{method}");
        }
        let custom = Method::from_bytes(b"PURGE").unwrap();
        for method in [Method::POST, Method::PATCH, Method::CONNECT, custom] {
            assert!(!allows(&usual, &method, "/"), "{method}");
        }
        let named = retries(&json!({ "excludedMethods": ["PUT", "DELETE"] }));
        assert!(allows(&named, &Method::POST, "/"));
        assert!(!allows(&named, &Method::PUT, "/"));
        assert!(allows(&retries(&json!({ "excludedMethods": [] })), &Method::PATCH, "/"));
    }

    #[test]
    fn an_idempotency_key_makes_a_post_safe_to_repeat_but_not_an_excluded_method() {
        let mut headers = HeaderMap::new();
        headers.insert(IDEMPOTENCY_KEY, "8e03978e".parse().unwrap());
        assert!(retries(&json!({})).allows(&Method::POST, "/", &headers));
        assert!(!retries(&json!({ "excludedMethods": ["POST"] })).allows(&Method::POST, "/", &headers));
    }

    #[test]
    fn excluded_paths_are_globs() {
        let some = retries(&json!({ "excludedPaths": ["/api/v1/payment/*", "/users/*/avatar", "/exact"] }));
        for (path, allowed) in [
            ("/api/v1/payment/7/confirm", false),
            ("/api/v1/payment", true),
            ("/users/7/avatar", false),
            ("/users/7/8/avatar", true),
            ("/exact", false),
            ("/exact/more", true),
        ] {
            assert_eq!(allows(&some, &Method::GET, path), allowed, "{path}");
        }
    }

    #[test]
    fn failures_are_tried_again_as_the_settings_say() {
        let some = retries(&json!({}));
        let covers = |status: u16| some.covers(Failure::Status(StatusCode::from_u16(status).unwrap()));
        assert!(covers(502) && covers(504) && !covers(501) && !covers(429) && !covers(200));
        assert!(some.covers(Failure::Connection) && !some.covers(Failure::Timeout));
        let other = retries(&json!({ "connectionErrors": false, "timeouts": true }));
        assert!(!other.covers(Failure::Connection) && other.covers(Failure::Timeout));
    }

    #[test]
    fn retries_that_cover_nothing_keep_nothing() {
        let some = |more: &serde_json::Value| retries(more).covers_any(false);
        assert!(some(&json!({})));
        assert!(!some(&json!({ "attempts": 0 })));
        assert!(some(&json!({ "statuses": [] })));
        assert!(some(&json!({ "connectionErrors": false })));
        let timeouts = retries(&json!({ "statuses": [], "connectionErrors": false, "timeouts": true }));
        assert!(!timeouts.covers_any(false) && timeouts.covers_any(true));
    }

    #[test]
    fn versions_of_a_route_share_their_counts() {
        let first = retries(&json!({}));
        let second = RetryRuntime::new(&first.settings, Some(&first));
        assert!(Arc::ptr_eq(&first.budget, &second.budget));
    }
}
