//! `sluicegate check PATH...`: the checks that `run` makes, without serving.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use sluicegate_controller::problem::Severity;
use sluicegate_controller::source::folder::{Finding, Place, Position, Reader, Style};
use sluicegate_proxy::config::{Config, ConfigError, ConfigProblem};
use sluicegate_table::Table;

use crate::arguments::{Check, Output};
use crate::check_live;
use crate::loading::{CONFIGURATION, Loaded};
use crate::process::on_control_runtime;

/// Checks the paths together and prints what is wrong. The exit status is 1 where anything is refused, be it a
/// single field.
pub(crate) fn check(arguments: &Check, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let (configurations, manifests): (Vec<PathBuf>, Vec<PathBuf>) =
        arguments.paths.iter().cloned().partition(|path| is_configuration(path));
    let folder = if arguments.live {
        on_control_runtime(check_live::folder(&manifests))?
    } else {
        Reader::new(&manifests).read()?
    };
    let loaded = Loaded::new(&folder, &Table::default());
    let configuration = configuration_errors(configurations, &manifests);
    match arguments.output {
        Output::Text => print_text(&loaded, &configuration, out)?,
        Output::Json => print_json(&loaded, &configuration, out)?,
    }
    Ok(if errors(&loaded, &configuration) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether the path is an installation's configuration rather than a manifest.
fn is_configuration(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == CONFIGURATION) && path.is_file()
}

/// What is wrong with these configurations, and with those of the paths that are folders.
fn configuration_errors(mut files: Vec<PathBuf>, paths: &[PathBuf]) -> Vec<ConfigError> {
    files.extend(paths.iter().map(|path| path.join(CONFIGURATION)).filter(|file| file.exists()));
    files.sort();
    files.dedup();
    files.iter().filter_map(|file| Config::read(file).err()).collect()
}

fn errors(loaded: &Loaded, configuration: &[ConfigError]) -> usize {
    let of_configuration = configuration.iter().map(|error| match error {
        ConfigError::Unreadable { .. } => 1,
        ConfigError::Invalid(problems) => problems.len(),
    });
    loaded.counts().0 + of_configuration.sum::<usize>()
}

fn print_text(loaded: &Loaded, configuration: &[ConfigError], out: &mut impl Write) -> anyhow::Result<()> {
    let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
    for error in configuration {
        match error {
            ConfigError::Unreadable { .. } => writeln!(out, "{error}\n")?,
            ConfigError::Invalid(problems) => {
                for problem in problems {
                    writeln!(out, "{}\n", rendered(problem, style))?;
                }
            }
        }
    }
    for finding in &loaded.findings {
        writeln!(out, "{}", finding.render(style).trim_end())?;
        writeln!(out)?;
    }
    let objects = count(loaded.compiled.statuses.len(), "object");
    let errors = count(errors(loaded, configuration), "error");
    writeln!(out, "{objects}: {errors}, {}", count(loaded.counts().1, "warning"))?;
    Ok(())
}

/// A problem of a configuration as those of manifests are drawn.
fn rendered(problem: &ConfigProblem, style: Style) -> String {
    let Ok(text) = std::fs::read_to_string(&problem.file) else { return problem.to_string() };
    let counted = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let position = Position { line: counted(problem.line), column: counted(problem.column) };
    let field = Some(problem.field.as_str()).filter(|field| !field.is_empty());
    let finding = Finding {
        place: Some(Place::at(&problem.file.display().to_string(), &text, position)),
        severity: Severity::Error,
        object: field.map(ToOwned::to_owned),
        field: None,
        reason: "Invalid".to_owned(),
        message: problem.message.clone(),
        hint: None,
    };
    finding.render(style).trim_end().to_owned()
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn print_json(loaded: &Loaded, configuration: &[ConfigError], out: &mut impl Write) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Report {
        errors: usize,
        warnings: usize,
        findings: Vec<Value>,
    }
    let mut findings: Vec<Value> = configuration.iter().flat_map(configuration_findings).collect();
    for finding in &loaded.findings {
        findings.push(serde_json::to_value(finding)?);
    }
    let report = Report { errors: errors(loaded, configuration), warnings: loaded.counts().1, findings };
    serde_json::to_writer_pretty(&mut *out, &report)?;
    writeln!(out)?;
    Ok(())
}

/// In the form of the other findings.
fn configuration_findings(error: &ConfigError) -> Vec<Value> {
    let error_in = |file: &Path, reason| json!({ "file": file, "severity": "error", "reason": reason });
    let with = |mut finding: Value, fields: Value| {
        if let (Value::Object(finding), Value::Object(fields)) = (&mut finding, fields) {
            finding.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        finding
    };
    match error {
        ConfigError::Unreadable { file, error } => {
            vec![with(error_in(file, "Unreadable"), json!({ "message": error }))]
        }
        ConfigError::Invalid(problems) => problems
            .iter()
            .map(|problem| {
                let field = Some(&problem.field).filter(|field| !field.is_empty());
                let (line, column, message) = (problem.line, problem.column, &problem.message);
                let fields = json!({ "line": line, "column": column, "field": field, "message": message });
                with(error_in(&problem.file, "Invalid"), fields)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;

    /// The text that is printed and whether the check fails.
    fn printed(path: &str, output: Output) -> (String, bool) {
        let mut out = Vec::new();
        let code = check(&Check { paths: vec![path.into()], live: false, output }, &mut out).unwrap();
        (String::from_utf8(out).unwrap(), code == ExitCode::FAILURE)
    }

    #[test]
    fn a_report_underlines_and_gives_hints() {
        let (text, failed) = printed("tests/fixtures/broken", Output::Text);
        assert!(failed);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_same_for_programs() {
        let (text, failed) = printed("tests/fixtures/broken", Output::Json);
        assert!(failed);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_good_folder_passes_and_no_secret_is_shown() {
        for output in [Output::Text, Output::Json] {
            let (text, failed) = printed("tests/fixtures/good", output);
            assert!(!failed, "{text}");
            assert!(!text.contains("planted-secret-value"), "{text}");
        }
    }

    #[test]
    fn a_configuration_is_checked_as_one_whether_it_is_named_or_its_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(CONFIGURATION);
        std::fs::write(&file, "workers: 2\n").unwrap();
        for path in [file.as_path(), folder.path()] {
            let (text, failed) = printed(path.to_str().unwrap(), Output::Text);
            assert!(!failed && text == "0 objects: 0 errors, 0 warnings\n", "{text}");
        }
        std::fs::write(&file, "wrokers: 2\n").unwrap();
        for path in [file.as_path(), folder.path()] {
            let (text, failed) = printed(path.to_str().unwrap(), Output::Text);
            assert!(failed && text.contains("wrokers") && text.contains("1 error,"), "{text}");
        }
        let arguments = Check { paths: vec![folder.path().into(), file], live: false, output: Output::Text };
        let mut out = Vec::new();
        check(&arguments, &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("1 error,"), "said once");
    }

    #[test]
    fn a_fallback_that_is_not_there_fails_the_check() {
        let path = "../tests/golden/fallback-comes-later/input-1.yaml";
        let (text, failed) = printed(path, Output::Json);
        assert!(failed, "{text}");
        let report: Value = serde_json::from_str(&text).unwrap();
        let finding = &report["findings"][0];
        assert_eq!(finding["field"], "spec.circuitBreaker.fallback.upstream");
        assert_eq!((&finding["line"], &finding["column"], &finding["endColumn"]), (&json!(13), &json!(41), &json!(48)));
        let (_, failed) = printed("../tests/golden/fallback-comes-later/input-2.yaml", Output::Json);
        assert!(!failed);
    }

    #[test]
    fn a_missing_path_is_one_sentence() {
        let arguments = Check { paths: vec!["tests/fixtures/none".into()], live: false, output: Output::Text };
        let error = check(&arguments, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "there is no file or folder tests/fixtures/none");
    }
}
