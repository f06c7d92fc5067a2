//! The circuit breaker of an Upstream, and what callers get while it leaves no target.

use http::HeaderValue;
use sluicegate_crds::breaker as crd;
use sluicegate_crds::scalars::Duration as Written;
use sluicegate_table::{BreakerScope, CircuitBreaker, Fallback};

use super::faults::{Checked, Fault, Problems};
use super::numbers::{above_zero, percentage};
use super::references::Scope;
use crate::problem::FieldPath;

/// The `Content-Type` of a fixed answer that names none.
const CONTENT_TYPE: &str = "text/plain; charset=utf-8";

const COUNT: &str = "write 1 or more, or leave it out";

/// The breaker; `None` if the object is refused.
pub(super) fn circuit_breaker(
    written: &crd::CircuitBreaker,
    scope: Scope<'_>,
    field: &FieldPath,
    problems: &mut Problems,
) -> Option<CircuitBreaker> {
    let defaults = CircuitBreaker::default();
    let mut count = |name: &str, number: u32| problems.check(&field.key(name), above_zero(number, COUNT));
    let failure_threshold = count("failureThreshold", written.failure_threshold);
    let minimum_requests = count("minimumRequests", written.minimum_requests.unwrap_or(defaults.minimum_requests));
    let success_threshold = count("successThreshold", written.success_threshold);
    let minimum_success_percent = match written.minimum_success_percent {
        None => {
            share_is_needed(written, field, problems);
            None
        }
        Some(0) => {
            let fault = Fault::invalid("no share is below 0 percent, so the breaker would never open by it");
            problems.refuse(&field.key("minimumSuccessPercent"), fault.hint("write 1 to 100, or leave it out"));
            None
        }
        Some(percent) => problems.check(&field.key("minimumSuccessPercent"), percentage(percent)),
    };
    let half_open = half_open(written.half_open.as_ref(), &defaults, &field.key("halfOpen"), problems);
    let fallback = match &written.fallback {
        None => None,
        Some(written) => Some(fallback(written, scope, &field.key("fallback"), problems)?),
    };
    let (probes, successes) = half_open?;
    Some(CircuitBreaker {
        failure_threshold: failure_threshold?,
        minimum_success_percent,
        window: written.window.map_or(defaults.window, Written::get),
        minimum_requests: minimum_requests?,
        success_threshold: success_threshold?,
        timeout: written.timeout.get(),
        open_duration: written.open_duration.get(),
        probes,
        successes,
        scope: match written.scope {
            crd::BreakerScope::Endpoint => BreakerScope::Endpoint,
            crd::BreakerScope::Upstream => BreakerScope::Upstream,
        },
        fallback,
    })
}

/// A window without a share that it is judged by would be read and forgotten.
fn share_is_needed(written: &crd::CircuitBreaker, field: &FieldPath, problems: &mut Problems) {
    for (name, there) in [("window", written.window.is_some()), ("minimumRequests", written.minimum_requests.is_some())]
    {
        if there {
            let fault = Fault::invalid(format!("`{name}` has a meaning with minimumSuccessPercent only"));
            problems.refuse(&field.key(name), fault.hint("leave it out, or write minimumSuccessPercent: 95"));
        }
    }
}

/// Probes of a round and the successes that it needs.
fn half_open(
    written: Option<&crd::HalfOpen>,
    defaults: &CircuitBreaker,
    field: &FieldPath,
    problems: &mut Problems,
) -> Option<(u32, u32)> {
    let Some(written) = written else { return Some((defaults.probes, defaults.successes)) };
    let probes = problems.check(&field.key("probes"), above_zero(written.probes, COUNT))?;
    let successes = written.successes.unwrap_or(defaults.successes.min(probes));
    let successes = problems.check(&field.key("successes"), above_zero(successes, COUNT))?;
    if successes > probes {
        let message = format!("{successes} successes are more than the {probes} probes of a round: none could pass");
        problems.refuse(&field.key("successes"), Fault::invalid(message).hint(format!("write 1 to {probes}")));
        return None;
    }
    Some((probes, successes))
}

fn fallback(written: &crd::Fallback, scope: Scope<'_>, field: &FieldPath, problems: &mut Problems) -> Option<Fallback> {
    let crd::Fallback { upstream, response, cache } = written;
    match (upstream, response, cache) {
        (Some(name), None, None) => Some(Fallback::Pool(scope.key(name))),
        (None, Some(written), None) => response_of(written, &field.key("response"), problems),
        (None, None, Some(true)) => Some(Fallback::Cache),
        (None, None, Some(false)) => {
            let fault = Fault::invalid("a cache that is switched off is no fallback");
            problems.check(&field.key("cache"), Err(fault.hint("write cache: true, or leave `fallback` out")))
        }
        (upstream, response, cache) => {
            let ways = [upstream.is_some(), response.is_some(), cache.is_some()];
            let count = ways.into_iter().filter(|there| *there).count();
            let fault = Fault::invalid(format!("{count} fallbacks are set, not one"));
            problems.check(field, Err(fault.hint("set exactly one of upstream, response and cache")))
        }
    }
}

fn response_of(written: &crd::FallbackResponse, field: &FieldPath, problems: &mut Problems) -> Option<Fallback> {
    let status = problems.check(&field.key("status"), final_status(written.status));
    let body = written.body.clone().unwrap_or_default();
    if !body.is_empty() && matches!(written.status, 204 | 205 | 304) {
        let fault = Fault::invalid(format!("an answer with the status {} has no body", written.status));
        problems.refuse(&field.key("body"), fault.hint("leave `body` out, or write another status"));
    }
    if body.is_empty() && written.content_type.is_some() {
        let fault = Fault::invalid("there is no body that `contentType` would be that of");
        problems.refuse(&field.key("contentType"), fault.hint("leave it out, or write a `body`"));
    }
    let content_type = written.content_type.as_deref().unwrap_or(CONTENT_TYPE);
    let content_type = problems.check(&field.key("contentType"), content_type_of(content_type));
    Some(Fallback::Response { status: status?, body, content_type: content_type? })
}

fn final_status(status: u16) -> Checked<u16> {
    if (200..=599).contains(&status) {
        return Ok(status);
    }
    Err(Fault::invalid(format!("{status} is no final status")).hint("write a status from 200 to 599"))
}

fn content_type_of(text: &str) -> Checked<String> {
    let trimmed = text.trim_matches([' ', '\t']).len() == text.len();
    if text.is_empty() || !trimmed || !text.is_ascii() || HeaderValue::from_str(text).is_err() {
        let fault = Fault::invalid("the content type is no value that a header can carry");
        return Err(fault.hint("write one such as application/json"));
    }
    Ok(text.to_owned())
}
