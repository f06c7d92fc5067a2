//! Matches that never take a request because an equal one comes first.
//!
//! Only equal host names and equal matches are found: that is the usual mistake (a copied Rule), costs one look-up per
//! match, and is never wrong. A Rule that takes a share only leaves the rest to the next one, so it hides nothing. Refused
//! Rules hide nothing and are not hidden here, although what answers for them may take requests: what is in force of them
//! is the proxies' to know, and a status must not depend on it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sluicegate_table::{Entries, Hostname, Match, ObjectKey, Route};

use super::faults::{Fault, shown};
use crate::problem::FieldPath;

/// A host name of a route (`None`: every host) and one of its matches. Equal where these are, whatever the routes.
struct Condition {
    route: Arc<Route>,
    host: Option<usize>,
    position: usize,
}

impl Condition {
    fn host_and_match(&self) -> (Option<&Hostname>, Option<&Match>) {
        let host = self.host.and_then(|host| self.route.hostnames.get(host));
        (host, self.route.matches.get(self.position))
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.host_and_match() == other.host_and_match()
    }
}

impl Eq for Condition {}

impl Hash for Condition {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.host_and_match().hash(state);
    }
}

/// A match and where it stands. The order is the precedence of equal matches: the older Rule, then the smaller key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    created: i64,
    rule: Arc<ObjectKey>,
    position: usize,
    /// It leaves nothing to those behind it.
    takes_all: bool,
}

/// The conditions of all Rules that are in force, and which Rules have each.
#[derive(Default)]
pub(super) struct Overlap {
    places: HashMap<Condition, Vec<Place>>,
}

impl Overlap {
    /// Takes a Rule's route in, in the place of another. `affected` gets the Rules of which something else may have to be
    /// said.
    pub(super) fn replace(
        &mut self,
        key: &ObjectKey,
        before: Option<&Arc<Route>>,
        now: Option<&Arc<Route>>,
        affected: &mut BTreeSet<ObjectKey>,
    ) {
        if let (Some(before), Some(now)) = (before, now)
            && Arc::ptr_eq(before, now)
        {
            return;
        }
        let rule = Arc::new(key.clone());
        for (condition, place) in before.into_iter().flat_map(|route| conditions(&rule, route)) {
            let Some(places) = self.places.get_mut(&condition) else { continue };
            if let Ok(position) = places.binary_search(&place) {
                let was_first = first(places) == Some(&place);
                places.remove(position);
                if was_first {
                    affected.extend(places.iter().map(|place| ObjectKey::clone(&place.rule)));
                }
            }
            if places.is_empty() {
                self.places.remove(&condition);
            }
        }
        for (condition, place) in now.into_iter().flat_map(|route| conditions(&rule, route)) {
            let places = self.places.entry(condition).or_insert_with(|| Vec::with_capacity(1));
            if let Err(position) = places.binary_search(&place) {
                places.insert(position, place.clone());
                if first(places) == Some(&place) {
                    affected.extend(places.iter().map(|place| ObjectKey::clone(&place.rule)));
                }
            }
        }
        affected.insert(key.clone());
    }

    /// Which matches of a Rule never take a request: the field and why.
    pub(super) fn never_matching(&self, key: &ObjectKey, routes: &Entries<Route>) -> Vec<(FieldPath, Fault)> {
        let Some(route) = routes.get(key) else { return Vec::new() };
        let rule = Arc::new(key.clone());
        let taker = |condition: &Condition, place: &Place| {
            self.places.get(condition).and_then(|places| first(places)).filter(|first| *first < place)
        };
        // A match is hidden where one comes first for each host name; the first host name's is named.
        let mut takers: Vec<Option<Vec<&Place>>> = vec![Some(Vec::new()); route.matches.len()];
        for (condition, place) in conditions(&rule, route) {
            let Some(so_far) = takers.get_mut(condition.position) else { continue };
            match (so_far.as_mut(), taker(&condition, &place)) {
                (Some(takers), Some(taker)) => takers.push(taker),
                (_, None) => *so_far = None,
                (None, _) => {}
            }
        }
        let hidden: Vec<(usize, &Place)> = takers
            .iter()
            .enumerate()
            .filter_map(|(position, takers)| Some((position, *takers.as_ref()?.first()?)))
            .collect();
        faults(key, route.matches.len(), &hidden)
    }
}

/// The one that takes what all those behind it could.
fn first(places: &[Place]) -> Option<&Place> {
    places.iter().find(|place| place.takes_all)
}

/// A route's conditions: for each match, each host name.
fn conditions<'a>(
    rule: &'a Arc<ObjectKey>,
    route: &'a Arc<Route>,
) -> impl Iterator<Item = (Condition, Place)> + use<'a> {
    let hosts = || {
        let any = route.hostnames.is_empty().then_some(None);
        any.into_iter().chain((0..route.hostnames.len()).map(Some))
    };
    (0..route.matches.len()).flat_map(move |position| {
        hosts().map(move |host| {
            let place =
                Place { created: route.created, rule: rule.clone(), position, takes_all: route.traffic.is_none() };
            (Condition { route: route.clone(), host, position }, place)
        })
    })
}

fn faults(key: &ObjectKey, matches: usize, hidden: &[(usize, &Place)]) -> Vec<(FieldPath, Fault)> {
    let field = FieldPath::spec().key("matches");
    let hint = "delete one of them, or give them different conditions";
    if let [(_, taker), ..] = hidden
        && hidden.len() == matches
    {
        let taker = shown(&taker.rule.to_string());
        let message = format!("Dropped: the Rule {taker} has the same host names and matches, and comes first");
        return vec![(field, Fault::invalid(message).hint(hint))];
    }
    hidden
        .iter()
        .map(|(position, taker)| {
            let message = if *taker.rule == *key {
                format!("Dropped: spec.matches[{}] is the same", taker.position)
            } else {
                let taker = shown(&taker.rule.to_string());
                format!("Dropped: the Rule {taker} has the same host names and match, and comes first")
            };
            (field.index(*position), Fault::invalid(message).hint(hint))
        })
        .collect()
}
