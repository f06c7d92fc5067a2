//! From paths to a table: read, compile, and gather what both found. `run`, `check` and `explain` all begin here, so that
//! they cannot disagree.

use sluicegate_controller::compile::{Compiled, compile};
use sluicegate_controller::source::folder::{Finding, Folder};
use sluicegate_table::Table;

/// The installation's own configuration within a folder.
pub(crate) const CONFIGURATION: &str = "sluicegate.yaml";

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
}
