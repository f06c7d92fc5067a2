//! Programs that other people wrote, run as clients.

use std::path::Path;
use std::process::{Command, Output};

/// What a program printed, if it went well.
///
/// # Panics
/// With all of its output, if it did not; or with what to do, if it is not there.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = attempt(program, arguments);
    assert!(output.status.success(), "{program} {arguments:?} ended with {}:\n{}", output.status, both(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a program printed and how it ended.
pub fn attempt(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env_remove("http_proxy")
        .env("NO_PROXY", "*")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `make setup` installs what the tests need"))
}

/// Both of its streams as text.
pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a script of `tests/clients` with the pinned Python packages.
pub fn python(script: &str, arguments: &[&str]) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = top.join("clients").join(script);
    let interpreter = std::env::var("SLUICEGATE_PYTHON")
        .unwrap_or_else(|_| top.join("../.cache/venv/bin/python").to_string_lossy().into_owned());
    let all: Vec<&str> =
        std::iter::once(path.to_str().expect("a UTF-8 path")).chain(arguments.iter().copied()).collect();
    run(&interpreter, &all)
}
