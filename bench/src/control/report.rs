//! The figures and their bars.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

/// What was measured.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    figure: String,
    bar: String,
    reached: bool,
}

impl Report {
    /// A figure with a bar.
    pub(super) fn held(&mut self, what: impl Into<String>, figure: String, bar: impl Into<String>, reached: bool) {
        self.take(Row { what: what.into(), figure, bar: bar.into(), reached });
    }

    fn take(&mut self, row: Row) {
        complain(&format!("{}: {} {}", row.what, row.figure, if row.reached { "" } else { "(MISSED)" }));
        self.rows.push(row);
    }

    /// Whether every figure reached its bar.
    pub(super) fn all_reached(&self) -> bool {
        self.rows.iter().all(|row| row.reached)
    }

    /// A table.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::from("| what | figure | bar | |\n| --- | --- | --- | --- |\n");
        for Row { what, figure, bar, reached } in &self.rows {
            let verdict = if *reached { "reached" } else { "**missed**" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {what} | {figure} | {bar} | {verdict} |");
        }
        text
    }
}

/// The value below which that share of the sorted values lies.
pub(super) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_sign_loss, reason = "a share of a length is not negative")]
    let index = (share * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// Milliseconds with one decimal.
pub(super) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// Writes the report.
pub(super) fn print(text: &str) {
    // A reader that went away has all it wanted.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Tells how it goes.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
