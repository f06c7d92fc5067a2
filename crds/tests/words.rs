//! The words of status are explained in `docs/status.md`: all of them, and no other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use sluicegate_crds::status::{ConditionType, Reason};

/// The words in the first column of the table with this header.
fn rows(text: &str, header: &str) -> BTreeSet<String> {
    let lines = text.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap_or_else(|| panic!("{row} begins with no word")).to_owned()).collect()
}

#[test]
fn every_word_is_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/status.md");
    let text = std::fs::read_to_string(path).unwrap();
    let types: BTreeSet<String> = ConditionType::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(rows(&text, "| condition |"), types);
    let reasons: BTreeSet<String> = Reason::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(rows(&text, "| reason |"), reasons);
}
