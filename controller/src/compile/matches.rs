//! The conditions of one match of a Rule, each in normal form. What could never match is refused: it is a mistake, and
//! a rule that silently takes nothing is the hardest one to find.

use sluicegate_crds::rule::{self as crd, RuleMatch};
use sluicegate_crds::scalars::Size;
use sluicegate_table::{LengthRange, Match, PathMatch, ValueMatch, ValueTest};

use super::faults::{Checked, Fault, Problems, shown};
use super::regular_expression::regular_expression;
use super::{headers, methods, paths};
use crate::problem::FieldPath;

/// The match that takes every path.
pub(super) fn everything() -> Match {
    Match::new(PathMatch::Prefix("/".to_owned()))
}

/// A match in normal form; `None` if the object is refused.
pub(super) fn one(written: &RuleMatch, field: &FieldPath, problems: &mut Problems) -> Option<Match> {
    let path = match &written.path {
        None => everything().path,
        Some(path) => problems.check(&field.key("path").key("value"), paths::path_match(path))?,
    };
    let methods = methods::list(&written.methods, &field.key("methods"), problems);
    let headers = values(&written.headers, &field.key("headers"), problems, headers::name, headers::value);
    let query = values(&written.query, &field.key("query"), problems, parameter, |value| Ok(value.to_owned()));
    let content_length = match &written.content_length {
        None => None,
        Some(bounds) => Some(problems.check(&field.key("contentLength"), length_range(bounds))?),
    };
    Some(Match {
        path,
        methods,
        headers,
        query,
        content_length,
        models: each(&written.model, &field.key("model"), problems, model),
        user_tiers: each(&written.user_tier, &field.key("userTier"), problems, |text| word("tier", text)),
        user_segments: each(&written.user_segment, &field.key("userSegment"), problems, segment),
    })
}

fn each(
    written: &[String],
    field: &FieldPath,
    problems: &mut Problems,
    check: impl Fn(&str) -> Checked<String>,
) -> Vec<String> {
    let checked =
        written.iter().enumerate().map(|(position, text)| problems.check(&field.index(position), check(text)));
    checked.collect::<Vec<_>>().into_iter().flatten().collect()
}

fn values(
    written: &[crd::ValueMatch],
    field: &FieldPath,
    problems: &mut Problems,
    name: impl Fn(&str) -> Checked<String>,
    value: impl Fn(&str) -> Checked<String>,
) -> Vec<ValueMatch> {
    let mut matches = Vec::with_capacity(written.len());
    for (position, written) in written.iter().enumerate() {
        let field = field.index(position);
        let name = problems.check(&field.key("name"), name(&written.name));
        let test = match (written.type_, &written.value) {
            (crd::ValueMatchType::Present, None) => Some(ValueTest::Present),
            (crd::ValueMatchType::Present, Some(_)) => {
                let fault = Fault::invalid("type Present takes any value");
                problems.check(&field.key("value"), Err(fault.hint("leave the value out, or write another type")))
            }
            (_, None) => {
                let fault = Fault::invalid(format!("there is no value for type {:?}", written.type_));
                problems.check(&field, Err(fault.hint("write a value, or type: Present")))
            }
            (crd::ValueMatchType::Exact, Some(text)) => {
                problems.check(&field.key("value"), value(text)).map(ValueTest::Exact)
            }
            (crd::ValueMatchType::RegularExpression, Some(pattern)) => {
                problems.check(&field.key("value"), regular_expression(pattern)).map(ValueTest::RegularExpression)
            }
        };
        matches.extend(name.zip(test).map(|(name, test)| ValueMatch { name, test }));
    }
    matches
}

fn parameter(name: &str) -> Checked<String> {
    if name.is_empty() { Err(Fault::invalid("the parameter's name is empty")) } else { Ok(name.to_owned()) }
}

fn length_range(bounds: &crd::ContentLengthMatch) -> Checked<LengthRange> {
    if bounds.min.is_none() && bounds.max.is_none() {
        return Err(Fault::invalid("there is neither `min` nor `max`"));
    }
    let min = bounds.min.map_or(0, Size::bytes);
    let max = bounds.max.map_or(u64::MAX, Size::bytes);
    if min > max {
        return Err(Fault::invalid(format!("`min` ({min} bytes) is above `max` ({max} bytes): no request matches")));
    }
    Ok(LengthRange { min, max })
}

fn model(text: &str) -> Checked<String> {
    if text.is_empty() {
        return Err(Fault::invalid("the model is empty").hint("write * for any model"));
    }
    if text.strip_suffix('*').unwrap_or(text).contains('*') {
        return Err(Fault::unsupported(format!("the model {} has a `*` before its end", shown(text)))
            .hint("a `*` stands for any text at the end of a model only"));
    }
    Ok(text.to_owned())
}

fn segment(text: &str) -> Checked<String> {
    if text.contains(',') {
        return Err(Fault::invalid(format!("the segment {} holds a comma", shown(text)))
            .hint("requests carry their segments separated by commas; write one segment per item"));
    }
    word("segment", text)
}

/// A word that a request's header can carry.
fn word(what: &str, text: &str) -> Checked<String> {
    if text.is_empty() {
        return Err(Fault::invalid(format!("the {what} is empty")));
    }
    headers::value(text)
        .map_err(|_| Fault::invalid(format!("the {what} {} is nothing that a request's header can carry", shown(text))))
}
