//! After any edits a matcher finds what one that is built anew finds, and the versions before it find what they found.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::against_reference::{request, routes};
use super::*;
use crate::matching::{Indexed, RouteIndex};

/// Which routes are there, by number.
type Version = BTreeMap<u32, (ObjectKey, Route)>;

/// Batches of edits: at each number a route comes, in place of another or not, or goes.
fn batches() -> impl Strategy<Value = Vec<Vec<(u32, Option<Route>)>>> {
    let numbers = proptest::collection::vec((0..60_u32, proptest::bool::weighted(0.65)), 1..40);
    (routes(), proptest::collection::vec(numbers, 1..7)).prop_map(|(routes, batches)| {
        let mut pool = routes.into_iter().map(|(_, route)| route).collect::<Vec<_>>().into_iter().cycle();
        let batch = |numbers: Vec<(u32, bool)>| {
            let batch: BTreeMap<u32, bool> = numbers.into_iter().collect();
            batch.into_iter().map(|(number, comes)| (number, if comes { pool.next() } else { None })).collect()
        };
        batches.into_iter().map(batch).collect()
    })
}

fn key(number: u32) -> ObjectKey {
    ObjectKey::new(["x", "y"][number as usize % 2], format!("r{}", (number * 7) % 60))
}

/// The same answer, with the route's number in `version` for its position in the list of those that are there.
fn numbered(found: Found, version: &Version) -> Found {
    match found {
        Found::Route { route, prefix } => {
            let number = version.keys().nth(route.0 as usize).copied().unwrap();
            Found::Route { route: RouteIndex(number), prefix }
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_edited_matcher_agrees_with_the_reference(
        batches in batches(),
        requests in proptest::collection::vec(request(), 12),
    ) {
        let mut versions: Vec<(Matcher, Version)> = vec![Default::default()];
        for batch in batches {
            let (mut matcher, mut version) = versions.last().cloned().unwrap();
            let edit = |(number, route): (u32, Option<Route>)| {
                let indexed = route.as_ref().map(|route| Indexed::new(RouteIndex(number), &key(number), route).unwrap());
                match route {
                    Some(route) => version.insert(number, (key(number), route)),
                    None => version.remove(&number),
                };
                (RouteIndex(number), indexed)
            };
            let edits: Vec<_> = batch.into_iter().map(edit).collect();
            matcher.edit(edits);
            versions.push((matcher, version));
        }
        for (matcher, version) in &versions {
            let routes: Vec<(ObjectKey, Route)> = version.values().cloned().collect();
            for request in &requests {
                let expected = numbered(super::super::reference::find(&routes, &request.view()), version);
                let found = matcher.find(&request.view());
                if let (Found::NeedsBody { at_most: found }, Found::NeedsBody { at_most: expected }) = (&found, &expected) {
                    // Among many it may be a bound.
                    prop_assert!((*expected..4).contains(found), "{found} {expected} {request:?}");
                } else {
                    prop_assert_eq!(found, expected, "{:?}", request);
                }
            }
        }
    }
}

/// Rules that come and go one by one over one path, so that lists become indexes, lists again, and indexes in indexes.
#[test]
fn one_path_is_indexed_and_unindexed_one_by_one() {
    let wanted = |number: u32| {
        let match_ = header("x-a", &(number % 3).to_string(), on("/a"));
        let match_ = query("q", &(number % 50).to_string(), match_);
        match number % 4 {
            0 => methods(&["GET", "POST"], match_),
            1 => models(&["m1", "n*"], match_),
            2 => tiers(&["gold", "free"], match_),
            _ => match_,
        }
    };
    let mut matcher = Matcher::default();
    let mut version = Version::new();
    let order: Vec<u32> = (0..120).map(|step| step * 37 % 120).collect();
    let steps = order.iter().map(|number| (*number, true)).chain(order.iter().rev().map(|number| (*number, false)));
    for (number, comes) in steps {
        let route = Route { buffer_size: u64::from(number), ..route(vec![wanted(number)]) };
        let indexed = comes.then(|| Indexed::new(RouteIndex(number), &key(number), &route).unwrap());
        matcher.edit([(RouteIndex(number), indexed)]);
        if comes {
            version.insert(number, (key(number), route));
        } else {
            version.remove(&number);
        }
        let routes: Vec<(ObjectKey, Route)> = version.values().cloned().collect();
        for asked in [number, number + 1] {
            let path = format!("/a/b?q={}", asked % 50);
            let request = Request::get(&path)
                .header("x-a", &(asked % 3).to_string())
                .header("x-user-tier", "free")
                .body(Some("nano"));
            let expected = numbered(super::super::reference::find(&routes, &request.view()), &version);
            assert_eq!(matcher.find(&request.view()), expected);
        }
    }
    assert!(version.is_empty());
    assert_eq!(matcher.find(&Request::get("/a").view()), Found::NoRoute);
}
