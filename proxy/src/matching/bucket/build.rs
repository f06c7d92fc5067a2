//! Laying out matches anew.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::index::Index;
use super::subjects::{Subject, Value, Wanted, exact_conditions};
use super::{Bucket, FEW, Matches};
use crate::matching::conditions::Conditions;

type Groups<'a> = FxHashMap<Subject<'a>, FxHashMap<Value<'a>, Vec<&'a Arc<Conditions>>>>;

/// The bucket of these matches, which agree about what is `used`.
pub(super) fn bucket<'a>(matches: &[&'a Arc<Conditions>], used: &mut Vec<Subject<'a>>) -> Bucket {
    let list = |matches: &[&Arc<Conditions>]| Matches::new(matches.iter().copied().cloned().collect());
    let first = matches.iter().map(|match_| &match_.precedence).min();
    let Some(first) = first.filter(|_| matches.len() > FEW) else { return Bucket::Few(list(matches)) };
    let mut shared: FxHashMap<(Subject<'a>, Value<'a>), u32> = FxHashMap::default();
    for match_ in matches {
        for (subject, values) in exact_conditions(match_, used) {
            for value in values {
                *shared.entry((subject, value)).or_default() += 1;
            }
        }
    }
    let mut groups = Groups::default();
    let mut models = Vec::new();
    let mut rest = Vec::new();
    for match_ in matches.iter().copied() {
        let by_shared = |(subject, values): &Wanted<'a>| {
            let most = values.iter().filter_map(|value| shared.get(&(*subject, *value))).max().copied();
            // The model comes last: a request's model is known only once its body has been read.
            (*subject == Subject::Model, most)
        };
        let Some((subject, values)) = exact_conditions(match_, used).into_iter().min_by_key(by_shared) else {
            rest.push(match_);
            continue;
        };
        if subject == Subject::Model {
            models.push(match_);
        }
        for value in values {
            groups.entry(subject).or_default().entry(value).or_default().push(match_);
        }
    }
    if groups.is_empty() {
        return Bucket::Few(list(matches));
    }
    let mut index = Index::new(first.clone(), matches.len(), list(&rest));
    index.models.set_all(list(&models));
    for (subject, by_value) in groups {
        used.push(subject);
        for (value, matches) in by_value {
            let below = bucket(&matches, used);
            index.edit_under(subject, value, |bucket| *bucket = below);
        }
        used.pop();
    }
    Bucket::Many(Arc::new(index))
}
