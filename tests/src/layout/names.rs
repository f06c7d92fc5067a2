//! One name everywhere: what a manifest says is the name of the file, of the heading in the documents and of the metric's
//! label.

use super::{Breach, Tree};

const KIND: &str = "crds/src/upstream.rs";
const TABLE: &str = "table/src/pool.rs";
const DOCUMENT: &str = "docs/algorithms.md";

/// Each value of `Upstream.spec.algorithm` has the same name in the table (whose `Debug` name is the metrics' label), a
/// file of its own in `proxy/src/pick` and a heading in `docs/algorithms.md`.
pub fn one_name_everywhere(tree: &Tree) -> Vec<Breach> {
    let kind = variants(tree.text(KIND).unwrap_or_default(), "Algorithm");
    let table = variants(tree.text(TABLE).unwrap_or_default(), "Algorithm");
    let mut breaches = Vec::new();
    if kind.is_empty() {
        breaches.push(Breach::new(KIND, "there is no enum Algorithm"));
    }
    if kind != table {
        breaches.push(Breach::new(TABLE, format!("Algorithm is {table:?}, in the kind {kind:?}")));
    }
    let headings: Vec<&str> =
        tree.text(DOCUMENT).unwrap_or_default().lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for algorithm in &kind {
        let file = format!("proxy/src/pick/{}.rs", snake_case(algorithm));
        if tree.text(&file).is_none() {
            breaches.push(Breach::new(file, format!("{algorithm} has no file of its name")));
        }
        if !headings.contains(&algorithm.as_str()) {
            breaches.push(Breach::new(DOCUMENT, format!("{algorithm} has no heading of its name")));
        }
    }
    breaches
}

/// The variants of an enum, in order.
fn variants(source: &str, name: &str) -> Vec<String> {
    let Some((_, body)) = source.split_once(&format!("pub enum {name} {{")) else { return Vec::new() };
    let body = body.split("\n}").next().unwrap_or_default();
    body.lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect()
}

/// `LeastConnections` as a file is named: `least_connections`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (position, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && position > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENUM: &str = "/// Algorithms.\npub enum Algorithm {\n    /// Each in turn.\n    RoundRobin,\n    /// Fewest.\n    LeastConnections,\n}\n";

    #[test]
    fn the_same_names_pass() {
        let tree = Tree::made_up([
            (KIND, ENUM),
            (TABLE, ENUM),
            (DOCUMENT, "# Algorithms\n\n## RoundRobin\n\n## LeastConnections\n"),
            ("proxy/src/pick/round_robin.rs", ""),
            ("proxy/src/pick/least_connections.rs", ""),
        ]);
        assert_eq!(one_name_everywhere(&tree), []);
    }

    #[test]
    fn other_names_are_found() {
        let tree = Tree::made_up([
            (KIND, ENUM),
            (TABLE, "pub enum Algorithm {\n    RoundRobin,\n    LeastConn,\n}\n"),
            (DOCUMENT, "## Round robin\n\n## LeastConnections\n"),
            ("proxy/src/pick/round_robin.rs", ""),
            ("proxy/src/pick/least_conn.rs", ""),
        ]);
        let places: Vec<_> = one_name_everywhere(&tree).into_iter().map(|breach| breach.place).collect();
        assert_eq!(places, [TABLE, DOCUMENT, "proxy/src/pick/least_connections.rs"]);
    }

    #[test]
    fn a_missing_enum_is_found() {
        assert_eq!(one_name_everywhere(&Tree::default()).len(), 1);
    }
}
