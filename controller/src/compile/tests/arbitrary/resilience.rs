//! Arbitrary health checks, breakers and retries.

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option::{self, of};
use proptest::prelude::*;
use proptest::sample::select;
use sluicegate_crds::breaker::{BreakerScope, CircuitBreaker, Fallback, FallbackResponse, HalfOpen};
use sluicegate_crds::health::{ActiveCheck, CheckType, HealthChecks, PassiveCheck};
use sluicegate_crds::retry::{Backoff, BackoffType, Retry, RetryExclude, RetryWhen};
use sluicegate_crds::scalars::Statuses;

use super::{duration, headers, name, text};

fn count() -> BoxedStrategy<u32> {
    prop_oneof![40 => 1..4_u32, 1 => Just(0)].boxed()
}

fn percent() -> BoxedStrategy<u8> {
    prop_oneof![40 => 1..=100_u8, 1 => any::<u8>()].boxed()
}

fn statuses(lengths: std::ops::Range<usize>) -> BoxedStrategy<Vec<Statuses>> {
    vec(select(&["200-299", "429", "500-599"]).prop_map(|text| text.parse().unwrap()), lengths).boxed()
}

/// What only one type of check has is mostly left out.
fn rarely<T: std::fmt::Debug + Clone + 'static>(strategy: BoxedStrategy<T>) -> BoxedStrategy<Option<T>> {
    option::weighted(0.1, strategy).boxed()
}

fn active_check() -> BoxedStrategy<ActiveCheck> {
    use CheckType::{Grpc, Http, Tcp};
    let of_http = (
        rarely(text(&["/", "/health?full"], &["health", "/a b", "/a#b"])),
        rarely(text(&["GET", "HEAD"], &["get", "CONNECT"])),
        rarely(text(&["a", "a:80"], &["a b", ""])),
        prop_oneof![5 => Just(std::collections::BTreeMap::default()), 1 => headers()],
        rarely(statuses(0..3)),
        rarely(text(&["ok"], &[""])),
    );
    let type_ = prop_oneof![8 => Just(Http), 1 => Just(Tcp), 1 => Just(Grpc)];
    let service = rarely(text(&["a.B"], &[""]));
    let times = (duration(), option::weighted(0.2, duration()));
    (type_, of_http, service, times, count(), count())
        .prop_map(|(type_, of_http, service, (interval, timeout), healthy_threshold, unhealthy_threshold)| {
            let (path, method, host, headers, expected_statuses, expected_body) = of_http;
            ActiveCheck {
                type_,
                path,
                method,
                host,
                headers,
                expected_statuses,
                expected_body,
                service,
                interval,
                timeout,
                healthy_threshold,
                unhealthy_threshold,
            }
        })
        .boxed()
}

fn passive_check() -> BoxedStrategy<PassiveCheck> {
    (count(), duration(), statuses(0..3), percent(), duration())
        .prop_map(|(threshold, interval, statuses, max_ejected_percent, recovery)| PassiveCheck {
            threshold,
            interval,
            statuses,
            max_ejected_percent,
            recovery,
        })
        .boxed()
}

pub(super) fn health_checks() -> BoxedStrategy<Option<HealthChecks>> {
    let one = prop_oneof![
        4 => (active_check().prop_map(Some), Just(None)),
        4 => (Just(None), passive_check().prop_map(Some)),
        1 => (of(active_check()), of(passive_check())),
    ];
    option::weighted(0.3, one.prop_map(|(active, passive)| HealthChecks { active, passive })).boxed()
}

fn fallback() -> BoxedStrategy<Fallback> {
    let response =
        (prop_oneof![9 => 200..=599_u16, 1 => any::<u16>()], of(text(&["x"], &[""])), rarely(text(&["a/b"], &[" "])))
            .prop_map(|(status, body, content_type)| FallbackResponse { status, body, content_type })
            .boxed();
    prop_oneof![
        // Names are few, so that many of these lead back.
        6 => (name().prop_map(Some), Just(None), Just(None)),
        2 => (Just(None), response.clone().prop_map(Some), Just(None)),
        2 => (Just(None), Just(None), weighted(0.9).prop_map(Some)),
        1 => (of(name()), of(response), of(weighted(0.9))),
    ]
    .prop_map(|(upstream, response, cache)| Fallback { upstream, response, cache })
    .boxed()
}

pub(super) fn circuit_breaker() -> BoxedStrategy<Option<CircuitBreaker>> {
    let half_open = (count(), option::weighted(0.2, count()));
    let half_open = half_open.prop_map(|(probes, successes)| HalfOpen { probes, successes });
    let window = prop_oneof![
        8 => (Just(None), Just(None), Just(None)),
        4 => (percent().prop_map(Some), of(duration()), of(count())),
        1 => (of(percent()), of(duration()), of(count())),
    ];
    let scope = select(&[BreakerScope::Endpoint, BreakerScope::Upstream]);
    let breaker = (count(), window, count(), duration(), duration(), of(half_open), scope, of(fallback())).prop_map(
        |(failure_threshold, window, success_threshold, timeout, open_duration, half_open, scope, fallback)| {
            let (minimum_success_percent, window, minimum_requests) = window;
            CircuitBreaker {
                failure_threshold,
                minimum_success_percent,
                window,
                minimum_requests,
                success_threshold,
                timeout,
                open_duration,
                half_open,
                scope,
                fallback,
            }
        },
    );
    option::weighted(0.5, breaker).boxed()
}

pub(super) fn retry() -> BoxedStrategy<Option<Retry>> {
    use BackoffType::{Exponential, Linear};
    let multiplier = || select(&["1", "1.5", "10"]).prop_map(|text| text.parse().unwrap());
    let waits = prop_oneof![
        4 => (Just(Exponential), of(duration()), rarely(duration()), of(multiplier()), Just(None)),
        4 => (Just(Linear), Just(None), Just(None), Just(None), of(duration())),
        1 => (select(&[Exponential, Linear]), of(duration()), of(duration()), of(multiplier()), of(duration())),
    ];
    let backoff = (waits, of(any::<bool>())).prop_map(|((type_, base, max, multiplier, interval), jitter)| Backoff {
        type_,
        base,
        max,
        multiplier,
        interval,
        jitter,
    });
    let when = (statuses(0..3), weighted(0.9), any::<bool>());
    let when =
        when.prop_map(|(statuses, connection_errors, timeouts)| RetryWhen { statuses, connection_errors, timeouts });
    let methods = of(vec(text(&["GET", "POST"], &["get"]), 0..3));
    let exclude = (methods, vec(text(&["/a/*", "/b"], &["a", "/**"]), 0..2));
    let exclude = exclude.prop_map(|(methods, paths)| RetryExclude { methods, paths });
    let attempts = of(prop_oneof![40 => 1..=10_u8, 1 => Just(0)]);
    let retry = (attempts, of(backoff), of(when), of(exclude), percent()).prop_map(
        |(attempts, backoff, when, exclude, budget_percent)| Retry { attempts, backoff, when, exclude, budget_percent },
    );
    option::weighted(0.4, retry).boxed()
}
