//! Whatever may match is tried, in every version.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sluicegate_table::{ObjectKey, Route};

use super::*;
use crate::matching::RouteIndex;
use crate::matching::conditions::Conditions;
use crate::matching::tests::{on, route};

/// The only match of a rule created at this time: the later, the worse.
fn match_(created: i64) -> Arc<Conditions> {
    let route = Route { created, ..route(vec![on("/")]) };
    let key = Arc::new(ObjectKey::new("default", "rule"));
    Arc::new(Conditions::new(RouteIndex(0), &key, &route, 0, &route.matches[0]).unwrap())
}

fn may_match(required: &[String], text: &str) -> bool {
    required.iter().all(|literal| text.contains(literal.as_str()))
}

proptest! {
    #[test]
    fn every_pattern_that_may_match_is_tried_before_the_limit(
        // Batches of changes: a pattern's name, what it requires and its precedence, or that it goes.
        batches in proptest::collection::vec(proptest::collection::vec((0..90_u8, proptest::option::weighted(0.8, 0..50_i64)), 0..60), 1..6),
        texts in proptest::collection::vec("[abc]{0,60}", 4),
        limit in 0..50_i64,
    ) {
        // What a pattern of this name requires.
        let required = |name: u8| -> Vec<String> {
            ["a", "ab", "bab", "c", "bb"].iter().enumerate()
                .filter(|(bit, _)| name >> bit & 1 == 1).map(|(_, text)| (*text).to_owned()).collect()
        };
        let mut sieve = Sieve::<u8>::default();
        let mut expected: BTreeMap<u8, Arc<Conditions>> = BTreeMap::new();
        let mut versions = Vec::new();
        for batch in batches {
            for (name, created) in batch {
                let new = created.map(match_);
                let old = match &new {
                    Some(new) => expected.insert(name, Arc::clone(new)),
                    None => expected.remove(&name),
                };
                let make = || {
                    let required: Vec<Box<[u8]>> = required(name).iter().map(|text| text.as_bytes().into()).collect();
                    (Arc::new(name), required.into())
                };
                sieve.edit(&name.to_string(), make, |bucket| {
                    bucket.edit(&Vec::from_iter(old), Vec::from_iter(new));
                });
            }
            sieve.settle();
            versions.push((sieve.clone(), expected.clone()));
        }
        let limit = match_(limit);
        for (sieve, expected) in versions {
            for text in &texts {
                let mut found = BTreeSet::new();
                sieve.each(text.as_bytes(), Some(&limit), |item| {
                    if may_match(&required(*item.pattern), text) {
                        found.insert(*item.pattern);
                    }
                    Some(&limit)
                });
                let expected: BTreeSet<u8> = expected.iter()
                    .filter(|(name, match_)| match_.precedence < limit.precedence && may_match(&required(**name), text))
                    .map(|(name, _)| *name).collect();
                prop_assert_eq!(found, expected);
            }
            prop_assert_eq!(sieve.is_empty(), expected.is_empty());
        }
    }
}
