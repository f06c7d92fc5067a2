//! `sluicegate crds`: prints the `CustomResourceDefinition`s of this release.

use std::io::Write;

use sluicegate_crds::definitions::{definitions, yaml};

/// Writes the definitions as one YAML stream.
pub(crate) fn print(out: &mut impl Write) -> anyhow::Result<()> {
    for definition in definitions() {
        writeln!(out, "---\n{}", yaml(&definition)?.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;

    #[test]
    fn prints_three_documents() {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  name: ")).collect();
        assert_eq!(names, ["upstreams.sluicegate.dev", "targets.sluicegate.dev", "rules.sluicegate.dev"]);
        assert_eq!(text.lines().filter(|line| *line == "---").count(), 3);
    }
}
