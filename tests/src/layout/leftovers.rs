//! Nothing is left over: no stubs, no tests that are switched off, and nothing of the place where the code was written.

use super::{Breach, Tree};

/// No source holds a stub, a note of work to do, a test that is switched off, or a commented-out test.
pub fn nothing_is_left_over(tree: &Tree) -> Vec<Breach> {
    // Put together here, so that this file does not hold them.
    let words = [["todo", "!("], ["unimple", "mented!("], ["#[ign", "ore"], ["TO", "DO"], ["FIX", "ME"], ["XX", "X:"]]
        .map(|halves| halves.concat());
    lines_with(tree.sources(), &words, "work that is left open")
}

/// No file names a registry's host, an absolute path of a developer's machine, or an issue by its number.
pub fn nothing_names_its_surroundings(tree: &Tree) -> Vec<Breach> {
    let words = [
        ["crates", ".io"],
        ["pypi", ".org"],
        ["proxy.gol", "ang.org"],
        ["registry.np", "mjs"],
        ["deb.deb", "ian.org"],
        ["/wo", "rk/"],
        ["/ro", "ot/"],
    ]
    .map(|halves| halves.concat());
    // Cargo writes its registry into the lock file.
    lines_with(tree.files().filter(|(path, _)| !path.ends_with("Cargo.lock")), &words, "it must work elsewhere, too")
}

fn lines_with<'a>(files: impl Iterator<Item = (&'a str, &'a str)>, words: &[String], why: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                breaches.push(Breach::new(format!("{path}:{}", number + 1), format!("{word:?}: {why}")));
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_code_passes() {
        let tree =
            Tree::made_up([("a/src/lib.rs", "fn done() {}\n"), ("Cargo.lock", concat!("source = \"crates", ".io\""))]);
        assert_eq!(nothing_is_left_over(&tree), []);
        assert_eq!(nothing_names_its_surroundings(&tree), []);
    }

    #[test]
    fn stubs_are_found_with_their_line() {
        let tree = Tree::made_up([("a/src/lib.rs", concat!("fn later() {\n    to", "do!()\n}\n"))]);
        assert_eq!(nothing_is_left_over(&tree)[0].place, "a/src/lib.rs:2");
    }

    #[test]
    fn tests_that_are_switched_off_are_found() {
        let tree = Tree::made_up([("a/src/lib.rs", concat!("#[test]\n#[ign", "ore = \"flaky\"]\nfn off() {}\n"))]);
        assert_eq!(nothing_is_left_over(&tree).len(), 1);
    }

    #[test]
    fn hosts_and_paths_are_found_in_any_file() {
        let tree = Tree::made_up([
            ("Makefile", concat!("curl https://crates", ".io\n")),
            ("docs/a.md", concat!("see /wo", "rk/plan\n")),
        ]);
        assert_eq!(nothing_names_its_surroundings(&tree).len(), 2);
    }
}
