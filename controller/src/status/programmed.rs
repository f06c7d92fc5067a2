//! The condition `Programmed`: whether the proxies have an object in use, in their own words.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_crds::status::{ConditionType, Reason};
use sluicegate_table::watch::EntryId;
use tokio::time::Instant;

use super::merge::{Said, cut, holds};
use super::object::Known;
use super::witnesses::{Count, Witnesses};
use crate::publish::Published;

/// The most of a proxy's reason that is passed on.
const MOST_OF_A_REASON: usize = 1024;

/// What `Programmed` should say, and whether more is to be heard soon.
pub(super) struct Programmed {
    pub(super) said: Said,
    pub(super) open: bool,
}

/// `accepted`: the object is valid. `required`: the version in which its entry became what it is now.
pub(super) fn programmed(
    accepted: bool,
    entry: &EntryId,
    required: u64,
    published: &Published,
    witnesses: &Witnesses,
    known: &Known,
    now: Instant,
) -> Programmed {
    let count = witnesses.count(entry, required, now);
    let open = !witnesses.are_known() || count.open() > 0;
    // Before everyone has spoken, what was said of this generation is neither confirmed nor contradicted.
    let unheard = !witnesses.are_heard(now) || count.total == 0;
    let contradicted = count.refused > 0 || count.open() > count.unknown;
    if unheard && let Some(before) = known.status.condition(ConditionType::Programmed) {
        let same = before.observed_generation == Some(known.generation) && is_of(before, accepted);
        if same && !(holds(before) && contradicted) {
            return Programmed { said: Said::repeat(ConditionType::Programmed, before), open };
        }
    }
    let (status, reason, message) = if accepted {
        of_a_valid_object(witnesses.are_known(), &count)
    } else {
        ("False", Reason::Invalid, of_a_refused_object(entry, published, &count))
    };
    Programmed { said: Said::new(ConditionType::Programmed, status, reason, message), open }
}

/// Whether a condition was said of an object that was refused, or of one that was not, as the object is now.
fn is_of(condition: &Condition, accepted: bool) -> bool {
    (condition.reason != Reason::Invalid.as_str()) == accepted
}

fn of_a_valid_object(proxies_are_known: bool, count: &Count) -> (&'static str, Reason, String) {
    let Count { total, have, .. } = count;
    let proxies = if *total == 1 { "proxy" } else { "proxies" };
    if !proxies_are_known {
        let message = "it is not known yet which proxies are ready";
        return ("Unknown", Reason::Pending, message.to_owned());
    }
    if *total == 0 {
        return ("False", Reason::Pending, "no proxy is ready".to_owned());
    }
    if let Some(refusal) = &count.refusal {
        let refusal = cut(refusal, MOST_OF_A_REASON);
        return ("False", Reason::RefusedByProxy, format!("{have}/{total} {proxies}; refused: {refusal}"));
    }
    if have < total {
        return ("False", Reason::Pending, format!("{have}/{total} {proxies}"));
    }
    ("True", Reason::Programmed, "every ready proxy has this generation in use".to_owned())
}

fn of_a_refused_object(entry: &EntryId, published: &Published, count: &Count) -> String {
    const REFUSED: &str = "this generation is refused";
    let in_table = || {
        use sluicegate_table::watch::EntryKind::{Endpoints, Pool, Route, Target};
        match entry.kind {
            Route => published.table.routes.contains_key(&entry.key),
            Pool => published.table.pools.contains_key(&entry.key),
            Target => published.table.targets.contains_key(&entry.key),
            Endpoints => published.table.endpoints.contains_key(&entry.key),
        }
    };
    let Count { have, missing, .. } = count;
    let stays = format!("{REFUSED}; the last valid version stays in force");
    let none = format!("{REFUSED}; no valid version is in force");
    if !published.keep.contains(entry) {
        return if in_table() { stays } else { none };
    }
    // Only the proxies know whether there was a valid version.
    match have - missing {
        0 if *have == 0 => format!("{REFUSED}; no proxy has said yet whether it has a valid version"),
        0 => none,
        _ if *missing == 0 => stays,
        with => format!(
            "{REFUSED}; the last valid version stays in force in {with} of {have} proxies, the others have none"
        ),
    }
}
