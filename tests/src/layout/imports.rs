//! Imports go one way: what each crate may depend on, and what must not come in through others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breach, Tree};

/// A crate of the workspace and the crates that it may name among its dependencies.
struct Allowed {
    folder: &'static str,
    ours: &'static [&'static str],
    /// Crates that must not come in, directly or through others; a final `*` stands for any text.
    never: &'static [&'static str],
}

const CRATES: &[Allowed] = &[
    // The kinds and the proxy read the same scalars, and the table is all that both may know. The lock file does not tell
    // whose features bring what in: of kube's client, which the controller asks for, nothing can be said here.
    Allowed { folder: "crds", ours: &["sluicegate-table"], never: &["axum", "redis", "sluicegate-controller"] },
    Allowed { folder: "table", ours: &[], never: &["tokio", "hyper", "kube*", "k8s-openapi"] },
    Allowed { folder: "controller", ours: &["sluicegate-crds", "sluicegate-table"], never: &["redis"] },
    Allowed {
        folder: "proxy",
        ours: &["sluicegate-table"],
        never: &["kube*", "k8s-openapi", "sluicegate-crds", "sluicegate-controller"],
    },
];

/// The crates' dependencies go only in the direction objects → table → proxy, and a proxy never holds Kubernetes' client.
pub fn imports_go_one_way(tree: &Tree) -> Vec<Breach> {
    let locked = locked_packages(tree.text("Cargo.lock").unwrap_or_default());
    let mut breaches = Vec::new();
    for allowed in CRATES {
        let manifest = format!("{}/Cargo.toml", allowed.folder);
        let Some(text) = tree.text(&manifest) else {
            breaches.push(Breach::new(manifest, "there is no such crate"));
            continue;
        };
        let direct = dependencies(text);
        for name in &direct {
            if name.starts_with("sluicegate") && !allowed.ours.contains(&name.as_str()) {
                breaches.push(Breach::new(&manifest, format!("{name} may not be imported here")));
            }
        }
        for name in closure(&direct, &locked) {
            if allowed.never.iter().any(|pattern| fits(&name, pattern)) {
                breaches.push(Breach::new(&manifest, format!("{name} comes in, which this crate must do without")));
            }
        }
    }
    breaches
}

fn fits(name: &str, pattern: &str) -> bool {
    pattern.strip_suffix('*').map_or(name == pattern, |start| name.starts_with(start))
}

/// The names under `[dependencies]` (not those of tests or builds) of a manifest in the workspace's plain style.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies") && !section.contains("dev-dependencies");
        } else if inside && let Some(name) = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty()) {
            names.insert(name.trim_matches('"').to_owned());
        }
    }
    names.retain(|name| !name.starts_with('#'));
    names
}

/// Each locked package's dependencies; versions of one name are taken together.
fn locked_packages(lock: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for block in lock.split("[[package]]").skip(1) {
        let Some(name) = block.lines().find_map(|line| line.strip_prefix("name = ")) else { continue };
        let needed = packages.entry(name.trim_matches('"').to_owned()).or_default();
        if let Some((_, list)) = block.split_once("dependencies = [") {
            let list = list.split(']').next().unwrap_or_default();
            needed.extend(
                list.lines()
                    .filter_map(|line| line.trim().trim_matches([',', '"']).split(' ').next())
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
            );
        }
    }
    packages
}

/// Everything that comes in with these dependencies. Our own crates are followed no further than their names: their
/// locked lists hold the dependencies of their tests, too, and each has a rule of its own.
fn closure(direct: &BTreeSet<String>, locked: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = direct.iter().collect();
    while let Some(name) = open.pop() {
        if found.insert(name.clone())
            && !name.starts_with("sluicegate")
            && let Some(needed) = locked.get(name)
        {
            open.extend(needed);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(proxy_dependencies: &str, lock: &str) -> Vec<Breach> {
        let proxy = format!(
            "[package]\nname = \"x\"\n[dependencies]\n{proxy_dependencies}\n[dev-dependencies]\nkube = \"1\"\n"
        );
        imports_go_one_way(&Tree::made_up([
            ("crds/Cargo.toml", ""),
            ("table/Cargo.toml", ""),
            ("controller/Cargo.toml", "[dependencies]\nsluicegate-table.workspace = true\nkube.workspace = true\n"),
            ("proxy/Cargo.toml", &proxy),
            ("Cargo.lock", lock),
        ]))
    }

    #[test]
    fn allowed_imports_pass() {
        assert_eq!(tree("sluicegate-table.workspace = true\nbytes = \"1\"", ""), []);
    }

    #[test]
    fn a_proxy_that_imports_the_kinds_is_found() {
        let breaches = tree("sluicegate-crds.workspace = true", "");
        assert!(
            breaches.contains(&Breach::new("proxy/Cargo.toml", "sluicegate-crds may not be imported here")),
            "{breaches:?}"
        );
    }

    #[test]
    fn a_client_that_comes_in_through_another_crate_is_found() {
        let lock = "[[package]]\nname = \"handy\"\nversion = \"1\"\ndependencies = [\n \"kube-core 5.0.0\",\n]\n";
        assert_eq!(
            tree("handy = { version = \"1\" }", lock),
            [Breach::new("proxy/Cargo.toml", "kube-core comes in, which this crate must do without")]
        );
    }

    #[test]
    fn a_missing_crate_is_found() {
        assert_eq!(imports_go_one_way(&Tree::default()).len(), CRATES.len());
    }
}
