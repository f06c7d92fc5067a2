//! What matches can be indexed by: their exact conditions.

use http::HeaderName;

use crate::matching::conditions::{Conditions, ModelName, Test};

/// How often one match may stand in an index.
const MOST_COPIES: usize = 256;

/// What an exact condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject<'a> {
    Method,
    Header(&'a HeaderName),
    Query(&'a str),
    UserTier,
    UserSegment,
    Model,
}

/// A value that a condition wants: in [`Subject::Model`], the beginning of one where `starts` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Value<'a> {
    pub(super) starts: bool,
    pub(super) bytes: &'a [u8],
}

/// An exact condition, and the values any of which will do, each once.
pub(super) type Wanted<'a> = (Subject<'a>, Vec<Value<'a>>);

impl<'a> Value<'a> {
    fn exact(bytes: &'a [u8]) -> Self {
        Self { starts: false, bytes }
    }
}

/// The exact conditions of a match that it can be indexed by below those on `used`, about which the matches at hand agree.
pub(super) fn exact_conditions<'a>(match_: &'a Conditions, used: &[Subject<'_>]) -> Vec<Wanted<'a>> {
    let mut found = all(match_);
    // It stands under each value of each condition on the way.
    let on_the_way = found.iter().filter(|(subject, _)| used.contains(subject)).map(|(_, values)| values.len());
    let copies = on_the_way.fold(1, usize::saturating_mul);
    found.retain(|(subject, values)| {
        !values.is_empty() && copies.saturating_mul(values.len()) <= MOST_COPIES && !used.contains(subject)
    });
    found
}

fn all(match_: &Conditions) -> Vec<Wanted<'_>> {
    fn any_of(texts: &[Box<str>]) -> Vec<Value<'_>> {
        let mut values: Vec<Value<'_>> = Vec::with_capacity(texts.len());
        for text in texts {
            let value = Value::exact(text.as_bytes());
            if !values.contains(&value) {
                values.push(value);
            }
        }
        values
    }
    let mut found: Vec<Wanted<'_>> = vec![(Subject::Method, any_of(&match_.methods))];
    for header in &match_.headers {
        if let Test::Exact(value) = &header.test {
            found.push((Subject::Header(&header.name), vec![Value::exact(value)]));
        }
    }
    for parameter in &match_.query {
        if let Test::Exact(value) = &parameter.test {
            found.push((Subject::Query(&parameter.name), vec![Value::exact(value)]));
        }
    }
    found.push((Subject::UserTier, any_of(&match_.user_tiers)));
    found.push((Subject::UserSegment, any_of(&match_.user_segments)));
    let mut models: Vec<Value<'_>> = Vec::with_capacity(match_.models.len());
    for name in &match_.models {
        let value = match name {
            ModelName::Exact(name) => Value::exact(name.as_bytes()),
            ModelName::StartsWith(start) => Value { starts: true, bytes: start.as_bytes() },
        };
        if !models.contains(&value) {
            models.push(value);
        }
    }
    found.push((Subject::Model, models));
    found
}
