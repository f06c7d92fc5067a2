//! Matches that never take a request because an equal one comes first.
//!
//! Only equal host names and equal matches are found: that is the usual mistake (a copied Rule), costs one look-up per
//! match, and is never wrong. A Rule that takes a share only leaves the rest to the next one, so it hides nothing.

use std::collections::{BTreeMap, HashMap};

use sluicegate_table::{Entries, Hostname, Match, ObjectKey, Route};

use super::faults::{Fault, shown};
use crate::problem::FieldPath;

/// A match and where it stands: the Rule and the position in its list.
type Place<'a> = (&'a ObjectKey, usize);

/// Says of each route which of its matches never take a request: the field and why.
pub(super) fn never_matching(routes: &Entries<Route>) -> BTreeMap<ObjectKey, Vec<(FieldPath, Fault)>> {
    let mut in_order: Vec<(&ObjectKey, &Route)> = routes.iter().map(|(key, route)| (key, route.as_ref())).collect();
    // The precedence of equal matches: the older Rule, then the smaller key. The map is in the order of keys already,
    // and this sort keeps it.
    in_order.sort_by_key(|(_, route)| route.created);

    let mut taken: HashMap<(Option<&Hostname>, &Match), Place<'_>> = HashMap::new();
    let mut found = BTreeMap::new();
    for (key, route) in in_order {
        let hosts: Vec<Option<&Hostname>> =
            if route.hostnames.is_empty() { vec![None] } else { route.hostnames.iter().map(Some).collect() };
        let mut hidden: Vec<(usize, Place<'_>)> = Vec::new();
        for (position, one) in route.matches.iter().enumerate() {
            let takers: Option<Vec<Place<'_>>> = hosts.iter().map(|host| taken.get(&(*host, one)).copied()).collect();
            hidden.extend(takers.and_then(|takers| takers.first().copied()).map(|taker| (position, taker)));
            if route.traffic.is_none() {
                for host in &hosts {
                    taken.entry((*host, one)).or_insert((key, position));
                }
            }
        }
        let faults = faults(key, route.matches.len(), &hidden);
        if !faults.is_empty() {
            found.insert(key.clone(), faults);
        }
    }
    found
}

fn faults(key: &ObjectKey, matches: usize, hidden: &[(usize, Place<'_>)]) -> Vec<(FieldPath, Fault)> {
    let field = FieldPath::spec().key("matches");
    let hint = "delete one of them, or give them different conditions";
    if let [(_, (taker, _)), ..] = hidden
        && hidden.len() == matches
    {
        let taker = shown(&taker.to_string());
        let message = format!("Dropped: the Rule {taker} has the same host names and matches, and comes first");
        return vec![(field, Fault::invalid(message).hint(hint))];
    }
    hidden
        .iter()
        .map(|(position, (taker, number))| {
            let message = if *taker == key {
                format!("Dropped: spec.matches[{number}] is the same")
            } else {
                let taker = shown(&taker.to_string());
                format!("Dropped: the Rule {taker} has the same host names and match, and comes first")
            };
            (field.index(*position), Fault::invalid(message).hint(hint))
        })
        .collect()
}
