//! An own object's spec into its type.
//!
//! The API server has checked it, but against the definitions that are installed, and those may be of another release:
//! a field that this one does not know must not be passed over. So the schema and the rules are evaluated here again, as
//! for a folder, and what does not fit them is refused alone.

use std::sync::Arc;

use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use sluicegate_crds::status::{ConditionType, Reason};
use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::ObjectKey;

use super::projected::{Metadata, OwnObject};
use crate::objects::{Candidate, Change, Kind, Refused};
use crate::problem::{FieldPath, Problem, Severity};
use crate::source::folder::check_spec;
use crate::source::requests::requests;

/// What to try where the API server accepts what is refused here.
const REMEDY: &str = "the installed CustomResourceDefinitions are not those of this release: upgrade the controller, or \
                      write the object as this release knows it";

/// The change that an object's being new or different is.
pub(super) fn change(kind: Kind, key: ObjectKey, object: OwnObject) -> Change {
    let OwnObject { metadata, spec, .. } = object;
    let metadata = meta(metadata);
    match kind {
        Kind::Rule => {
            let candidate = read(kind, &spec, metadata, |metadata, spec| Rule { metadata, spec, status: None });
            Change::Rule(key, Some(candidate))
        }
        Kind::Upstream => {
            let candidate = read(kind, &spec, metadata, |metadata, spec| Upstream { metadata, spec, status: None });
            Change::Upstream(key, Some(candidate))
        }
        Kind::Target => {
            let candidate = read(kind, &spec, metadata, |metadata, spec| Target { metadata, spec, status: None });
            Change::Target(key, Some(candidate))
        }
    }
}

fn read<S: DeserializeOwned, T>(
    kind: Kind,
    spec: &Json,
    metadata: ObjectMeta,
    whole: impl FnOnce(ObjectMeta, S) -> T,
) -> Candidate<T> {
    let checked = check_spec(kind, spec).and_then(|spec| {
        serde_json::from_value(spec).map_err(|error| {
            vec![Problem {
                field: FieldPath::spec(),
                severity: Severity::Error,
                condition: ConditionType::Accepted,
                reason: Reason::Invalid,
                message: format!("cannot be read: {error}"),
                hint: None,
            }]
        })
    });
    match checked {
        Ok(spec) => Candidate::Valid(Arc::new(whole(metadata, spec))),
        Err(mut problems) => {
            let requests = requests(kind, spec, &problems).and_then(|spec| serde_json::from_value(spec).ok());
            for problem in &mut problems {
                problem.hint = Some(REMEDY.to_owned());
            }
            let generation = metadata.generation;
            let requests = requests.map(|spec| whole(metadata, spec));
            Candidate::Refused(Arc::new(Refused { problems, generation, requests }))
        }
    }
}

/// The metadata that compile and conditions use.
fn meta(metadata: Metadata) -> ObjectMeta {
    ObjectMeta {
        name: Some(metadata.name.into()),
        namespace: Some(metadata.namespace.into()),
        uid: Some(metadata.uid.into()),
        generation: Some(metadata.generation),
        creation_timestamp: metadata.creation_timestamp,
        ..ObjectMeta::default()
    }
}
