//! When and how a Rule's requests are tried again.

use std::time::Duration;

use sluicegate_crds::retry::{self as crd, BackoffType};
use sluicegate_crds::scalars::{Duration as Written, Multiplier};
use sluicegate_table::{Backoff, Retry, StatusRange};

use super::faults::{Fault, Problems};
use super::health_checks::ranges;
use super::numbers::{above_zero, percentage};
use super::{durations, methods, paths};
use crate::problem::FieldPath;

/// What is waited where nothing is written.
const BASE: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);
const MULTIPLIER_THOUSANDTHS: u32 = 2_000;
const INTERVAL: Duration = Duration::from_millis(500);

/// The statuses that are tried again where nothing is written.
const STATUSES: [u16; 3] = [502, 503, 504];

/// The retries; `None` if the object is refused.
pub(super) fn retry(written: &crd::Retry, field: &FieldPath, problems: &mut Problems) -> Option<Retry> {
    let exponential = written.backoff.as_ref().is_none_or(|backoff| backoff.type_ == BackoffType::Exponential);
    let attempts = written.attempts.map_or(if exponential { 3 } else { 2 }, u32::from);
    let attempts = problems.check(&field.key("attempts"), above_zero(attempts, "leave `retry` out for no retries"));
    let backoff = backoff(written.backoff.as_ref(), &field.key("backoff"), problems);
    let (statuses, connection_errors, timeouts) = match &written.when {
        None => (STATUSES.map(|status| StatusRange { from: status, to: status }).to_vec(), true, true),
        Some(when) => (ranges(&when.statuses), when.connection_errors, when.timeouts),
    };
    if statuses.is_empty() && !connection_errors && !timeouts {
        let fault = Fault::invalid("there is nothing that would be tried again");
        problems.refuse(
            &field.key("when"),
            fault.hint("write statuses, connectionErrors or timeouts, or leave `retry` out"),
        );
    }
    let (excluded_methods, excluded_paths) = excluded(written.exclude.as_ref(), &field.key("exclude"), problems);
    let budget_percent = problems.check(&field.key("budgetPercent"), percentage(written.budget_percent));
    Some(Retry {
        attempts: attempts?,
        backoff: backoff?,
        statuses,
        connection_errors,
        timeouts,
        excluded_methods,
        excluded_paths,
        budget_percent: budget_percent?,
    })
}

fn backoff(written: Option<&crd::Backoff>, field: &FieldPath, problems: &mut Problems) -> Option<Backoff> {
    let Some(written) = written else {
        return Some(Backoff::Exponential {
            base: BASE,
            max: MAX,
            multiplier_thousandths: MULTIPLIER_THOUSANDTHS,
            jitter: true,
        });
    };
    let crd::Backoff { type_, base, max, multiplier, interval, jitter } = written;
    let of_another_type: &[(&str, bool)] = match type_ {
        BackoffType::Exponential => &[("interval", interval.is_some())],
        BackoffType::Linear => {
            &[("base", base.is_some()), ("max", max.is_some()), ("multiplier", multiplier.is_some())]
        }
    };
    for (name, _) in of_another_type.iter().filter(|(_, there)| *there) {
        let other = if *type_ == BackoffType::Linear { "Exponential" } else { "Linear" };
        let fault = Fault::invalid(format!("`{name}` has a meaning with type {other} only"));
        problems.refuse(&field.key(name), fault.hint(format!("leave it out, or write type: {other}")));
    }
    match type_ {
        BackoffType::Exponential => {
            // One that is written makes way for the other's default.
            let longest = max.map(Written::get);
            let base = base.map_or_else(|| longest.map_or(BASE, |max| BASE.min(max)), Written::get);
            let max = longest.unwrap_or(MAX.max(base));
            Some(Backoff::Exponential {
                base: problems.check(&field.key("base"), durations::at_most(base, "max", max))?,
                max,
                multiplier_thousandths: multiplier.map_or(MULTIPLIER_THOUSANDTHS, Multiplier::thousandths),
                jitter: jitter.unwrap_or(true),
            })
        }
        BackoffType::Linear => {
            Some(Backoff::Linear { interval: interval.map_or(INTERVAL, Written::get), jitter: jitter.unwrap_or(false) })
        }
    }
}

fn excluded(
    written: Option<&crd::RetryExclude>,
    field: &FieldPath,
    problems: &mut Problems,
) -> (Option<Vec<String>>, Vec<String>) {
    let Some(crd::RetryExclude { methods, paths }) = written else { return (None, Vec::new()) };
    let methods = methods.as_ref().map(|methods| methods::list(methods, &field.key("methods"), problems));
    let field = field.key("paths");
    let paths = paths
        .iter()
        .enumerate()
        .filter_map(|(position, glob)| problems.check(&field.index(position), paths::glob(glob)))
        .collect();
    (methods, paths)
}
