//! Compile: checked objects in, table and conditions out. A pure function; golden tests hold pairs of YAML.
//!
//! Each object becomes one entry of the table, and entries depend on other objects only where a value of theirs is part
//! of the entry (a Secret's text in a Target). That something refers to an object that is not there is said in its
//! conditions and leaves its entry as it is. So one edit changes one entry, and what comes later needs no second one.

mod conditions;
mod credentials;
mod durations;
mod entries;
mod faults;
mod headers;
mod inline;
mod matches;
mod names;
mod overlap;
mod paths;
mod references;
mod regular_expression;
mod roots;
mod rule;
mod services;
mod target;
mod upstream;
mod urls;
mod weights;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluicegate_crds::status::Reason;
use sluicegate_crds::{Rule, Target, Upstream};
use sluicegate_table::{Endpoints, Entries, Table};

use self::entries::{OfKind, Verdict, same_entries};
use self::references::Scope;
use crate::objects::{Kind, ObjectId, Objects};
use crate::problem::Problem;

/// What compile made of the objects.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The table: one version after the last, or the last version where nothing changed.
    pub table: Table,
    /// What is said of each object; every object of the input is here.
    pub statuses: BTreeMap<ObjectId, ObjectStatus>,
}

/// What is said of one object.
#[derive(Clone, Debug, Default)]
pub struct ObjectStatus {
    /// `Accepted` and `ResolvedRefs`, and `PartiallyInvalid` where it applies; without transition times.
    pub conditions: Vec<Condition>,
    /// The problems behind them.
    pub problems: Vec<Problem>,
    /// The object is refused and its last valid version stays in force.
    pub stale: bool,
}

/// Compiles the objects. `last` is the table in force: refused objects keep their entry of it, unchanged entries are
/// shared with it.
pub fn compile(objects: &Objects, last: &Table) -> Compiled {
    let mut targets = OfKind::compile(&objects.targets, &last.targets, |key, object: &Target, problems| {
        Verdict::of(target::target(&object.spec, objects, Scope::of(key), problems))
    });
    let mut pools = OfKind::compile(&objects.upstreams, &last.pools, |key, object: &Upstream, problems| {
        Verdict::of(upstream::upstream(&object.spec, Scope::of(key), problems))
    });
    let mut routes = OfKind::compile(&objects.rules, &last.routes, |key, object: &Rule, problems| {
        match rule::rule(key, &object.metadata, &object.spec, problems) {
            Some(_) if !object.spec.active => Verdict::SwitchedOff,
            route => Verdict::of(route),
        }
    });

    // References are looked up in the finished entries: a refused object whose last valid version serves is there.
    pools.look_up(&objects.upstreams, |key, object, problems| {
        upstream::unresolved(&object.spec, Scope::of(key), objects, &targets.entries, problems);
    });
    routes.look_up(&objects.rules, |key, object, problems| {
        rule::unresolved(&object.spec, Scope::of(key), objects, &pools.entries, problems);
    });
    for (key, faults) in overlap::never_matching(&routes.entries) {
        for (field, fault) in faults {
            routes.altered(&key, &field, Reason::NeverMatches, fault);
        }
    }

    let statuses = targets
        .take_statuses(Kind::Target)
        .chain(pools.take_statuses(Kind::Upstream))
        .chain(routes.take_statuses(Kind::Rule))
        .collect();
    let endpoints = endpoints(&targets.entries, objects, last);
    let same_endpoints = same_entries(&endpoints, &last.endpoints);
    let same =
        same_endpoints && targets.same_as(&last.targets) && pools.same_as(&last.pools) && routes.same_as(&last.routes);
    let table = Table {
        version: if same { last.version } else { last.version + 1 },
        routes: routes.entries,
        pools: pools.entries,
        targets: targets.entries,
        endpoints,
    };
    Compiled { table, statuses }
}

/// The addresses behind the Targets, unchanged entries shared with the last table.
fn endpoints(targets: &Entries<sluicegate_table::Target>, objects: &Objects, last: &Table) -> Entries<Endpoints> {
    let found = targets.iter().filter_map(|(key, target)| {
        let endpoints = services::endpoints(key, target, &objects.services)?;
        let before = last.endpoints.get(key).filter(|before| ***before == endpoints).cloned();
        Some((key.clone(), before.unwrap_or_else(|| Arc::new(endpoints))))
    });
    found.collect()
}
