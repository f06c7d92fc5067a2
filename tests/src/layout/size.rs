//! A file holds one idea, which shows in its length.

use super::{Breach, Tree};

/// The most lines of code, blank lines, comments and inline tests aside.
const CODE: usize = 400;
/// The most lines of an inline `mod tests`.
const INLINE_TESTS: usize = 150;
/// The most lines of a `main.rs`.
const MAIN: usize = 30;

/// No source is longer than one idea needs, no inline tests than a reader scrolls past, and `main.rs` only starts.
pub fn files_hold_one_idea(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in tree.sources() {
        let file = path.rsplit('/').next().unwrap_or(path);
        let (code, tests) = split(text);
        // Unit tests in a file of their own are a list of cases, which grows with what is tested.
        let beside =
            file == "tests.rs" || file.ends_with("_tests.rs") || path.contains("/src/") && path.contains("/tests/");
        if code > CODE && !beside {
            breaches.push(Breach::new(path, format!("{code} lines of code, more than {CODE}: split it")));
        }
        if tests > INLINE_TESTS {
            breaches.push(Breach::new(
                path,
                format!("{tests} lines of inline tests, more than {INLINE_TESTS}: move them to a sibling file"),
            ));
        }
        let lines = text.lines().count();
        if file == "main.rs" && lines >= MAIN {
            breaches.push(Breach::new(path, format!("{lines} lines; main.rs stays under {MAIN}")));
        }
    }
    breaches
}

/// Lines of code outside the inline tests, and all lines of the inline tests.
fn split(text: &str) -> (usize, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.windows(2).position(|pair| {
        pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod ") && pair[1].trim_end().ends_with('{')
    });
    let end = start.map_or(lines.len(), |start| {
        lines[start..].iter().position(|line| *line == "}").map_or(lines.len(), |length| start + length + 1)
    });
    let start = start.unwrap_or(lines.len());
    let is_code = |line: &&&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    (
        lines[..start].iter().filter(is_code).count() + lines[end.max(start)..].iter().filter(is_code).count(),
        end.saturating_sub(start),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: &[(&str, &str)]) -> Vec<String> {
        files_hold_one_idea(&Tree::made_up(files.iter().copied())).into_iter().map(|breach| breach.place).collect()
    }

    #[test]
    fn comments_blank_lines_and_inline_tests_are_no_code() {
        let text = format!(
            "{}{}{}#[cfg(test)]\nmod tests {{\n{}}}\n",
            "x();\n".repeat(CODE),
            "// why\n".repeat(300),
            "\n".repeat(300),
            "y();\n".repeat(INLINE_TESTS - 3)
        );
        assert_eq!(split(&text), (CODE, INLINE_TESTS));
        assert_eq!(places(&[("a/src/lib.rs", &text)]), [""; 0]);
    }

    #[test]
    fn code_after_the_tests_counts() {
        assert_eq!(split("#[cfg(test)]\nmod tests {\n    y();\n}\nx();\n"), (1, 4));
        assert_eq!(split("#[cfg(test)]\nmod tests;\nx();\n"), (3, 0));
    }

    #[test]
    fn long_files_are_found() {
        let code = "x();\n".repeat(CODE + 1);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "y();\n".repeat(INLINE_TESTS));
        let main = "x();\n".repeat(MAIN);
        assert_eq!(
            places(&[
                ("a/src/long.rs", &code),
                ("a/src/long/tests.rs", &code),
                ("a/src/tested.rs", &tests),
                ("a/src/main.rs", &main)
            ]),
            ["a/src/long.rs", "a/src/main.rs", "a/src/tested.rs"]
        );
    }
}
