//! What a folder holds at one moment, and where.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Content;
use super::documents::{Incomplete, Object, Origin};
use super::file::Place;
use super::finding::Finding;
use crate::objects::{Candidate, ObjectId, Objects};
use crate::problem::{FieldPath, Problem};

/// What a folder holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Its objects, ready for compile.
    pub objects: Objects,
    /// Everything that reading found wrong, in the order of the files.
    pub findings: Vec<Finding>,
    places: BTreeMap<ObjectId, Whereabouts>,
}

/// Where an object is.
#[derive(Clone, Debug)]
enum Whereabouts {
    /// There.
    Written(Origin),
    /// Its file broke; this is where.
    Lost(Place),
}

impl Folder {
    /// Where an object's field was written, or else what encloses it.
    pub fn locate(&self, object: &ObjectId, field: &FieldPath) -> Option<Place> {
        self.places.get(object).map(|whereabouts| match whereabouts {
            Whereabouts::Written(origin) => origin.locate(field),
            Whereabouts::Lost(place) => place.clone(),
        })
    }

    /// A problem of an object, with its place.
    pub fn finding(&self, object: &ObjectId, problem: &Problem) -> Finding {
        let place = self.locate(object, &problem.field);
        Finding { place, ..Finding::about(&object.to_string(), problem) }
    }

    /// What reading found and what compile found, without what both say, in the order of files and lines.
    pub fn report<'a>(&self, problems: impl IntoIterator<Item = (&'a ObjectId, &'a Problem)>) -> Vec<Finding> {
        let said = |finding: &Finding| (finding.object.clone(), finding.field.clone(), finding.message.clone());
        let mut seen: BTreeSet<_> = self.findings.iter().map(said).collect();
        let mut findings = self.findings.clone();
        for (object, problem) in problems {
            let finding = Finding::about(&object.to_string(), problem);
            if seen.insert(said(&finding)) {
                findings.push(self.finding(object, problem));
            }
        }
        findings.sort_by_cached_key(|finding| {
            finding.place.as_ref().map(|place| (place.file.name().to_owned(), place.span.start))
        });
        findings
    }
}

impl Folder {
    /// Takes an object in; one of our kinds with `lost` as refused for that reason.
    pub(super) fn insert(&mut self, object: &Object, lost: Option<&Incomplete>) {
        fn or_lost<T>(candidate: &Candidate<T>, lost: Option<&Incomplete>) -> Candidate<T> {
            match (lost, candidate) {
                (Some(lost), _) => Candidate::refused(vec![lost.problem.clone()]),
                (None, Candidate::Valid(object)) => Candidate::Valid(object.clone()),
                (None, Candidate::Refused(refused)) => Candidate::Refused(refused.clone()),
            }
        }
        let key = object.key.clone();
        if let Some(id) = object.id() {
            let written = || Whereabouts::Written(object.origin.clone());
            self.places.insert(id, lost.map_or_else(written, |lost| Whereabouts::Lost(lost.place.clone())));
        }
        match &object.content {
            Content::Rule(rule) => {
                self.objects.rules.insert(key, or_lost(rule, lost));
            }
            Content::Upstream(upstream) => {
                self.objects.upstreams.insert(key, or_lost(upstream, lost));
            }
            Content::Target(target) => {
                self.objects.targets.insert(key, or_lost(target, lost));
            }
            Content::Secret(Some(data)) => {
                self.objects.secrets.insert(key, data.clone());
            }
            Content::ConfigMap(Some(data)) => {
                self.objects.config_maps.insert(key, data.clone());
            }
            Content::Secret(None) | Content::ConfigMap(None) => {}
        }
    }
}
