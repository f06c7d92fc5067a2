//! An explanation for people.

use std::fmt;

use super::{ExplainedFallback, Explanation};
use crate::matching::explain::{Outcome, Verdict};

/// Rules that are listed at most; JSON has all.
const MOST_RULES: usize = 30;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = &self.request;
        write!(f, "{} {}{}", request.method, request.host, request.path)?;
        if let Some(query) = &request.query {
            write!(f, "?{query}")?;
        }
        write!(f, " from {}", request.client_ip)?;
        if let Some(model) = &request.model {
            write!(f, ", model {model}")?;
        }
        writeln!(f)?;
        match (&self.rule, &self.forwarded) {
            (Some(rule), Some(forwarded)) => {
                writeln!(f, "Rule {rule} takes it; {} gets {}", forwarded.target, forwarded.url)?;
            }
            (Some(rule), None) => writeln!(f, "Rule {rule} takes it; no target gets it")?,
            (None, _) => writeln!(f, "no Rule takes it")?,
        }
        if let Some(answer) = &self.answer {
            let kept = matches!(self.fallbacks.last(), Some(ExplainedFallback::Cache));
            let kept = if kept { "the last good one to the same request where one is kept, else " } else { "" };
            write!(f, "the answer is {kept}{} {}", answer.status, answer.reason)?;
            if !answer.allow.is_empty() {
                write!(f, ", allowed: {}", answer.allow.join(", "))?;
            }
            writeln!(f)?;
        }
        if !self.rules.is_empty() {
            writeln!(f, "\nRules, in the order in which they are asked (table version {}):", self.table_version)?;
            for verdict in telling(&self.rules) {
                writeln!(f, "  {verdict}")?;
            }
            if let Some(more @ 1..) = self.rules.len().checked_sub(MOST_RULES) {
                writeln!(f, "  … and {more} more; as JSON all are shown")?;
            }
        }
        if let (Some(upstream), Some(pick)) = (&self.upstream, &self.pick) {
            writeln!(f, "\nUpstream {upstream}:")?;
            for line in pick.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
        }
        for fallback in &self.fallbacks {
            match fallback {
                ExplainedFallback::Upstream { upstream, pick } => {
                    writeln!(f, "\nUpstream {upstream}, the fallback:")?;
                    for line in pick.to_string().lines() {
                        writeln!(f, "  {line}")?;
                    }
                }
                ExplainedFallback::Response => writeln!(f, "\nthe fallback is the fixed answer")?,
                ExplainedFallback::Cache => {
                    writeln!(f, "\nthe fallback is the last good answer to the same request, where one is kept")?;
                }
            }
        }
        Ok(())
    }
}

/// The first rules in order, but none that matches is left out for one that does not.
fn telling(rules: &[Verdict]) -> Vec<&Verdict> {
    let matches = |verdict: &Verdict| !matches!(verdict.outcome, Outcome::No { .. });
    let mut chosen: Vec<(usize, &Verdict)> = rules.iter().enumerate().collect();
    // Stable: within either kind the order stays.
    chosen.sort_by_key(|(_, verdict)| !matches(verdict));
    chosen.truncate(MOST_RULES);
    chosen.sort_by_key(|(position, _)| *position);
    chosen.into_iter().map(|(_, verdict)| verdict).collect()
}
