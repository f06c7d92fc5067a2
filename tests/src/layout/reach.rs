//! Every source is part of something that is compiled.

use std::collections::BTreeSet;

use super::{Breach, Tree};

/// Every `.rs` file is reached by `mod` lines from a `lib.rs`, a `main.rs` or the root of a test, bench, example or fuzz
/// target.
pub fn every_file_is_reached(tree: &Tree) -> Vec<Breach> {
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> =
        tree.sources().map(|(path, _)| path).filter(|path| is_root(path)).map(str::to_owned).collect();
    while let Some(path) = open.pop() {
        if let Some(text) = tree.text(&path) {
            for module in modules(text) {
                open.extend(places(&path, &module).into_iter().filter(|place| !reached.contains(place)));
            }
            reached.insert(path);
        }
    }
    tree.sources()
        .filter(|(path, _)| !reached.contains(*path))
        .map(|(path, _)| Breach::new(path, "no lib.rs or main.rs reaches this file by its mod lines"))
        .collect()
}

/// Files that cargo compiles by their place.
fn is_root(path: &str) -> bool {
    let mut from_file = path.rsplit('/');
    let (file, folder) = (from_file.next().unwrap_or_default(), from_file.next().unwrap_or_default());
    let above = from_file.next().unwrap_or_default();
    matches!((folder, file), ("src", "lib.rs" | "main.rs") | (_, "build.rs"))
        || (matches!(folder, "tests" | "benches" | "examples" | "fuzz_targets") && !path.contains("/src/"))
        || (folder == "bin" && above == "src")
        || (matches!(above, "tests" | "benches" | "examples" | "bin") && file == "main.rs")
}

struct Module {
    name: String,
    path: Option<String>,
}

/// The modules that a file declares in other files.
fn modules(text: &str) -> Vec<Module> {
    let mut modules = Vec::new();
    let mut path = None;
    for line in text.lines().map(str::trim) {
        if let Some(value) = line.strip_prefix("#[path = \"") {
            path = value.split('"').next().map(str::to_owned);
            continue;
        }
        let declaration = line
            .strip_prefix("pub ")
            .or_else(|| line.strip_prefix("pub(crate) "))
            .or_else(|| line.strip_prefix("pub(super) "));
        if let Some(rest) = declaration.unwrap_or(line).strip_prefix("mod ")
            && let Some(name) = rest.strip_suffix(';')
        {
            modules.push(Module { name: name.trim_start_matches("r#").to_owned(), path: path.take() });
        } else if !line.starts_with("#[") {
            path = None;
        }
    }
    modules
}

/// Where a module of the file at `path` may be.
fn places(path: &str, module: &Module) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    if let Some(explicit) = &module.path {
        return vec![format!("{folder}/{explicit}")];
    }
    let base = if is_root(path) || stem == "mod" { folder.to_owned() } else { format!("{folder}/{stem}") };
    let name = &module.name;
    vec![format!("{base}/{name}.rs"), format!("{base}/{name}/mod.rs")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_mod_lines_name_are_reached() {
        let tree = Tree::made_up([
            ("a/src/lib.rs", "mod one;\npub mod two;\n#[path = \"odd name.rs\"]\nmod odd;\n"),
            ("a/src/one.rs", "pub(crate) mod inner;\n#[cfg(test)]\nmod tests;\n"),
            ("a/src/one/inner.rs", ""),
            ("a/src/one/tests.rs", ""),
            ("a/src/two/mod.rs", "mod beside;"),
            ("a/src/two/beside.rs", ""),
            ("a/src/odd name.rs", ""),
            ("a/tests/tier.rs", ""),
            ("a/tests/big/main.rs", "mod part;"),
            ("a/tests/big/part.rs", ""),
            ("a/benches/speed.rs", ""),
            ("fuzz/fuzz_targets/target.rs", ""),
            ("a/build.rs", ""),
        ]);
        assert_eq!(every_file_is_reached(&tree), []);
    }

    #[test]
    fn a_file_that_nothing_names_is_found() {
        let tree = Tree::made_up([
            ("a/src/lib.rs", "// mod lost;\nmod inline { }\n"),
            ("a/src/lost.rs", "mod deeper;"),
            ("a/src/lost/deeper.rs", ""),
            ("a/src/pick/tests/case.rs", ""),
        ]);
        let places: Vec<_> = every_file_is_reached(&tree).into_iter().map(|breach| breach.place).collect();
        assert_eq!(places, ["a/src/lost.rs", "a/src/lost/deeper.rs", "a/src/pick/tests/case.rs"]);
    }
}
