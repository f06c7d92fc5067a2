//! What a refused Rule says of the requests that are its own: enough to answer them for what they are, rather than to let
//! another Rule take them.

use serde_json::{Map, Value as Json};

use crate::objects::Kind;
use crate::problem::{FieldPath, Problem, Severity};

/// The fields that say which requests a Rule takes.
const FIELDS: [&str; 5] = ["active", "hostnames", "matches", "trafficPercent", "bufferSize"];

/// That part of a refused object's spec, where it is a Rule's and nothing is wrong with it.
pub(super) fn requests(kind: Kind, spec: &Json, problems: &[Problem]) -> Option<Json> {
    let spec = spec.as_object().filter(|_| kind == Kind::Rule)?;
    let fields = FIELDS.map(|name| FieldPath::spec().key(name));
    let is_wrong = |problem: &Problem| {
        problem.severity == Severity::Error
            && fields.iter().any(|field| problem.field.steps().starts_with(field.steps()))
    };
    if problems.iter().any(is_wrong) {
        return None;
    }
    let part = |name: &str| Some((name.to_owned(), spec.get(name)?.clone()));
    Some(Json::Object(FIELDS.into_iter().filter_map(part).collect::<Map<_, _>>()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use serde_json::{Value as Json, json};

    use super::requests;
    use crate::objects::Kind;
    use crate::source::folder::check_spec;

    /// What a refused Rule's spec says of its requests.
    fn of(spec: &Json) -> Option<Json> {
        requests(Kind::Rule, spec, &check_spec(Kind::Rule, spec).unwrap_err())
    }

    #[test]
    fn what_is_wrong_elsewhere_leaves_the_requests() {
        let spec = json!({"hostnames": ["a.example.com"], "matches": [{"path": {"value": "/a"}}], "upstream": "u"});
        for (field, value) in [("nonsense", json!(1)), ("priority", json!("Sometimes")), ("targets", json!([]))] {
            let mut spec = spec.clone();
            spec[field] = value;
            let expected = json!({"hostnames": ["a.example.com"], "matches": [{"path": {"value": "/a"}}]});
            assert_eq!(of(&spec), Some(expected), "{field}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_requests_leaves_them_unknown() {
        for spec in [
            json!({"hostnames": ["a b"], "upstream": "u"}),
            json!({"hostnames": "a", "upstream": "u"}),
            json!({"matches": [{"clients": ["10.0.0.0/8"]}], "upstream": "u"}),
            json!({"trafficPercent": "a lot", "upstream": "u"}),
            json!({"active": "no", "upstream": "u"}),
            json!("nonsense"),
        ] {
            assert_eq!(of(&spec), None, "{spec}");
        }
    }

    #[test]
    fn other_kinds_take_no_requests() {
        let spec = json!({"nonsense": 1});
        assert_eq!(requests(Kind::Upstream, &spec, &check_spec(Kind::Upstream, &spec).unwrap_err()), None);
    }
}
