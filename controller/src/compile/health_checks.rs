//! Health checks of an Upstream or a Target: what is left out gets its default, what contradicts itself is refused.

use std::time::Duration;

use sluicegate_crds::health::{self as crd, CheckType};
use sluicegate_crds::scalars::{Duration as Written, Statuses};
use sluicegate_table::{ActiveCheck, HealthChecks, HttpProbe, PassiveCheck, Probe, StatusRange};

use super::faults::{Fault, Problems};
use super::headers::{self, Seen};
use super::numbers::{above_zero, percentage};
use super::{durations, methods, paths};
use crate::problem::FieldPath;

/// How long an active check's answer may take where nothing is written and the interval allows it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The statuses that mean health where nothing is written.
const EXPECTED: StatusRange = StatusRange { from: 200, to: 299 };

const THRESHOLD: &str = "write 1 or more, or leave it out";

/// Statuses as the table has them.
pub(super) fn ranges(written: &[Statuses]) -> Vec<StatusRange> {
    written.iter().map(|statuses| statuses.bounds()).map(|(from, to)| StatusRange { from, to }).collect()
}

/// The checks; what of them is refused is left out.
pub(super) fn health_checks(
    written: Option<&crd::HealthChecks>,
    field: &FieldPath,
    problems: &mut Problems,
) -> HealthChecks {
    let Some(crd::HealthChecks { active, passive }) = written else { return HealthChecks::default() };
    if active.is_none() && passive.is_none() {
        let fault = Fault::invalid("neither `active` nor `passive` is set, so nothing would be checked");
        problems.refuse(field, fault.hint("write `active: {}` or `passive: {}` for their defaults"));
    }
    HealthChecks {
        active: active.as_ref().and_then(|check| active_check(check, &field.key("active"), problems)),
        passive: passive.as_ref().and_then(|check| passive_check(check, &field.key("passive"), problems)),
    }
}

fn active_check(written: &crd::ActiveCheck, field: &FieldPath, problems: &mut Problems) -> Option<ActiveCheck> {
    let interval = written.interval.get();
    let timeout = written.timeout.map_or(TIMEOUT.min(interval), Written::get);
    let timeout = problems.check(&field.key("timeout"), durations::at_most(timeout, "interval", interval));
    let healthy = problems.check(&field.key("healthyThreshold"), above_zero(written.healthy_threshold, THRESHOLD));
    let unhealthy =
        problems.check(&field.key("unhealthyThreshold"), above_zero(written.unhealthy_threshold, THRESHOLD));
    let probe = probe(written, field, problems);
    Some(ActiveCheck {
        probe: probe?,
        interval,
        timeout: timeout?,
        healthy_threshold: healthy?,
        unhealthy_threshold: unhealthy?,
    })
}

fn probe(written: &crd::ActiveCheck, field: &FieldPath, problems: &mut Problems) -> Option<Probe> {
    let crd::ActiveCheck { type_, path, method, host, headers, expected_statuses, expected_body, service, .. } =
        written;
    let of_another_type = |there: &[(&str, bool)], of: &str, problems: &mut Problems| {
        for (name, _) in there.iter().filter(|(_, there)| *there) {
            let fault = Fault::invalid(format!("`{name}` has a meaning with type {of} only"));
            problems.refuse(&field.key(name), fault.hint(format!("leave it out, or write type: {of}")));
        }
    };
    let of_http = [
        ("path", path.is_some()),
        ("method", method.is_some()),
        ("host", host.is_some()),
        ("headers", !headers.is_empty()),
        ("expectedStatuses", expected_statuses.is_some()),
        ("expectedBody", expected_body.is_some()),
    ];
    let of_grpc = [("service", service.is_some())];
    match type_ {
        CheckType::Http => {
            of_another_type(&of_grpc, "GRPC", problems);
            http(written, field, problems).map(Probe::Http)
        }
        CheckType::Tcp => {
            of_another_type(&of_http, "HTTP", problems);
            of_another_type(&of_grpc, "GRPC", problems);
            Some(Probe::Tcp)
        }
        CheckType::Grpc => {
            of_another_type(&of_http, "HTTP", problems);
            Some(Probe::Grpc { service: service.clone().unwrap_or_default() })
        }
    }
}

fn http(written: &crd::ActiveCheck, field: &FieldPath, problems: &mut Problems) -> Option<HttpProbe> {
    let path = written.path.as_deref().unwrap_or("/");
    let path = problems.check(&field.key("path"), paths::with_query(path));
    let method = written.method.as_deref().unwrap_or("GET");
    let method = problems.check(&field.key("method"), methods::to_send(method));
    let host = match &written.host {
        None => Some(None),
        Some(host) => problems.check(&field.key("host"), headers::authority(host)).map(Some),
    };
    let headers =
        headers::fixed(&written.headers, headers::own_name, &field.key("headers"), &mut Seen::default(), problems);
    let expected = match written.expected_statuses.as_deref() {
        None => vec![EXPECTED],
        Some(expected) => ranges(expected),
    };
    if expected.is_empty() {
        let fault = Fault::invalid("there is no status that means health, so no check could succeed");
        problems.refuse(&field.key("expectedStatuses"), fault.hint("write at least one, or leave it out for 200-299"));
    }
    if written.expected_body.as_deref() == Some("") {
        let fault = Fault::invalid("every body holds the empty text");
        problems.refuse(&field.key("expectedBody"), fault.hint("leave it out where any body will do"));
    }
    if written.expected_body.is_some() && written.method.as_deref() == Some("HEAD") {
        let fault = Fault::invalid("an answer to HEAD has no body, so no check could succeed");
        problems.refuse(&field.key("expectedBody"), fault.hint("write method: GET, or leave it out"));
    }
    Some(HttpProbe {
        method: method?,
        path: path?,
        host: host?,
        headers,
        expected_statuses: expected,
        expected_body: written.expected_body.clone(),
    })
}

fn passive_check(written: &crd::PassiveCheck, field: &FieldPath, problems: &mut Problems) -> Option<PassiveCheck> {
    let threshold = problems.check(&field.key("threshold"), above_zero(written.threshold, THRESHOLD));
    let most = problems.check(&field.key("maxEjectedPercent"), percentage(written.max_ejected_percent));
    Some(PassiveCheck {
        threshold: threshold?,
        interval: written.interval.get(),
        statuses: ranges(&written.statuses),
        max_ejected_percent: most?,
        recovery: written.recovery.get(),
    })
}
