//! From paths to a table: read, compile, and gather what both found. `run`, `check` and `explain` all begin here, so that
//! they cannot disagree.

use std::collections::BTreeSet;
use std::path::Path;

use sluicegate_controller::compile::{Compiled, compile};
use sluicegate_controller::objects::Kind;
use sluicegate_controller::source::folder::{Finding, Folder};
use sluicegate_proxy::config::{Config, ConfigError};
use sluicegate_table::{Backend, ObjectKey, Table};

use crate::table_view::{Notice, View};

/// The installation's own configuration within a folder.
pub(crate) const CONFIGURATION: &str = "sluicegate.yaml";

/// The configuration of a folder; the defaults where it has none.
pub(crate) fn configuration(dir: &Path) -> Result<Config, ConfigError> {
    let file = dir.join(CONFIGURATION);
    if file.exists() { Config::read(&file) } else { Ok(Config::default()) }
}

/// A folder's content, compiled.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The table and what is said of each object.
    pub(crate) compiled: Compiled,
    /// All that is wrong, in the order of files and lines.
    pub(crate) findings: Vec<Finding>,
}

impl Loaded {
    /// Compiles what a folder holds; `last` is the table in force.
    pub(crate) fn new(folder: &Folder, last: &Table) -> Self {
        let compiled = compile(&folder.objects, last);
        let problems =
            compiled.statuses.iter().flat_map(|(id, status)| status.problems.iter().map(move |problem| (id, problem)));
        let findings = folder.report(problems);
        Self { compiled, findings }
    }

    /// Errors and warnings, counted.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let errors = self.findings.iter().filter(|finding| finding.is_error()).count();
        (errors, self.findings.len() - errors)
    }

    /// Whether any Rule is in force or switched off: whether there is anything to serve now or by one edit.
    pub(crate) fn has_rules(&self) -> bool {
        self.compiled.table.routes.values().any(|route| route.backend != Backend::Invalid)
            || self.compiled.statuses.iter().any(|(id, status)| {
                id.kind == Kind::Rule
                    && status
                        .conditions
                        .iter()
                        .any(|condition| condition.type_ == "Accepted" && condition.status == "True")
            })
    }

    /// What to print of it.
    pub(crate) fn view(&self) -> View {
        let stale: BTreeSet<ObjectKey> = self
            .compiled
            .statuses
            .iter()
            .filter(|(id, status)| id.kind == Kind::Rule && status.stale)
            .map(|(id, _)| id.key.clone())
            .collect();
        let (errors, warnings): (Vec<&Finding>, _) = self.findings.iter().partition(|finding| finding.is_error());
        let notices = |findings: Vec<&Finding>| findings.into_iter().map(notice).collect::<Vec<_>>();
        View::new(&self.compiled.table, &stale, notices(errors), notices(warnings))
    }
}

fn notice(finding: &Finding) -> Notice {
    let placeless = Finding { place: None, ..finding.clone() };
    Notice { text: finding.to_string(), subject: placeless.to_string() }
}
