//! What `sluicegate run` prints: the rules in force as an aligned table, what is refused and what is warned of.
//!
//! After the first time only differences are printed, so that an edit shows as the line or two that it changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sluicegate_table::{
    Algorithm, Backend, Entries, Hostname, InlinePool, Level, Match, Member, ObjectKey, PathMatch, Pool, Route, Table,
    Target, TargetState,
};

/// Rules that are printed at most; the admin listener shows all.
const MOST_ROWS: usize = 40;
/// Targets of one level that are printed at most.
const MOST_TARGETS: usize = 5;

/// A problem in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// With its place, which moves when lines are put in above it.
    pub text: String,
    /// Without its place: the same problem has the same subject.
    pub subject: String,
}

/// What there is to print about one version of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Shares the entries of the table: an edit of what no row shows is told all the same.
    table: Table,
    rows: BTreeMap<ObjectKey, Row>,
    refused: Notices,
    warnings: Notices,
}

/// Texts by subject.
type Notices = BTreeMap<String, String>;

/// One rule. Several matches make several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    hosts: String,
    matches: Vec<String>,
    upstream: String,
    targets: String,
}

const HEAD: [&str; 5] = ["RULE", "HOSTS", "MATCH", "UPSTREAM", "TARGETS"];

impl View {
    /// The view of a table. `stale` names the Rules that are refused and whose last valid version is in force.
    pub fn new(
        table: &Table,
        stale: &BTreeSet<ObjectKey>,
        refused: impl IntoIterator<Item = Notice>,
        warnings: impl IntoIterator<Item = Notice>,
    ) -> Self {
        let rows = table.routes.iter().map(|(key, route)| (key.clone(), Row::new(table, route, stale.contains(key))));
        Self {
            table: table.clone(),
            rows: rows.collect(),
            refused: refused.into_iter().map(|notice| (notice.subject, notice.text)).collect(),
            warnings: warnings.into_iter().map(|notice| (notice.subject, notice.text)).collect(),
        }
    }

    /// All of it.
    pub fn whole(&self) -> String {
        let mut text = String::new();
        let rows = self.rows.iter().take(MOST_ROWS);
        let lines = [HEAD.map(str::to_owned)].into_iter().chain(rows.flat_map(|(key, row)| row.lines("", key)));
        align(&mut text, lines);
        if let Some(more) = self.rows.len().checked_sub(MOST_ROWS + 1) {
            let _ = writeln!(text, "… and {} more rules; /table on the admin listener shows all", more + 1);
        }
        text + &self.notices()
    }

    /// What is refused and what is warned of.
    pub fn notices(&self) -> String {
        let mut text = String::new();
        notices(&mut text, "refused", self.refused.values());
        notices(&mut text, "warnings", self.warnings.values());
        text
    }

    /// What is different from `before`; empty where nothing is. Objects that came have a `+`, those that went a `-`, those
    /// that changed a `~`.
    pub fn changes_since(&self, before: &Self) -> String {
        let mut text = String::new();
        let keys: BTreeSet<&ObjectKey> = before.rows.keys().chain(self.rows.keys()).collect();
        let changed: Vec<(&str, &ObjectKey, &Row)> = keys
            .into_iter()
            .filter_map(|key| match (before.rows.get(key), self.rows.get(key)) {
                (None, Some(row)) => Some(("+ ", key, row)),
                (Some(row), None) => Some(("- ", key, row)),
                (Some(last), Some(row))
                    if last != row || before.table.routes.get(key) != self.table.routes.get(key) =>
                {
                    Some(("~ ", key, row))
                }
                _ => None,
            })
            .collect();
        align(&mut text, changed.iter().take(MOST_ROWS).flat_map(|(mark, key, row)| row.lines(mark, key)));
        if changed.len() > MOST_ROWS {
            let _ = writeln!(text, "… and {} more rules", changed.len() - MOST_ROWS);
        }
        entries(&mut text, "Upstreams", &before.table.pools, &self.table.pools);
        entries(&mut text, "Targets", &before.table.targets, &self.table.targets);
        notices(&mut text, "refused", new(&before.refused, &self.refused));
        notices(&mut text, "warnings", new(&before.warnings, &self.warnings));
        notices(&mut text, "no longer refused", new(&self.refused, &before.refused));
        notices(&mut text, "no longer warned of", new(&self.warnings, &before.warnings));
        text
    }
}

/// Which entries of a kind came, went or changed, with the same marks.
fn entries<T: Eq>(text: &mut String, kind: &str, before: &Entries<T>, after: &Entries<T>) {
    let keys: BTreeSet<&ObjectKey> = before.keys().chain(after.keys()).collect();
    let changed: Vec<String> = keys
        .into_iter()
        .filter_map(|key| match (before.get(key), after.get(key)) {
            (None, Some(_)) => Some(format!("+ {key}")),
            (Some(_), None) => Some(format!("- {key}")),
            (last, now) if last != now => Some(format!("~ {key}")),
            _ => None,
        })
        .collect();
    if !changed.is_empty() {
        let _ = writeln!(text, "{kind}: {}", listed(changed.into_iter()));
    }
}

/// The notices of `after` whose subject is not in `before`.
fn new<'a>(before: &'a Notices, after: &'a Notices) -> impl Iterator<Item = &'a String> {
    after.iter().filter(|(subject, _)| !before.contains_key(*subject)).map(|(_, text)| text)
}

fn notices<'a>(text: &mut String, title: &str, notices: impl Iterator<Item = &'a String>) {
    let mut notices = notices.peekable();
    if notices.peek().is_some() {
        let _ = writeln!(text, "{title}:");
    }
    for notice in notices {
        let _ = writeln!(text, "  {notice}");
    }
}

/// Writes lines with their columns one below the other.
fn align(text: &mut String, lines: impl Iterator<Item = [String; 5]>) {
    let lines: Vec<[String; 5]> = lines.collect();
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for line in &lines {
        let mut row = String::new();
        for (width, cell) in widths.iter().zip(line) {
            let _ = write!(row, "{cell:width$}  ");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
}

impl Row {
    fn new(table: &Table, route: &Route, stale: bool) -> Self {
        let hosts = if route.hostnames.is_empty() {
            "*".to_owned()
        } else {
            listed(route.hostnames.iter().map(|hostname| match hostname {
                Hostname::Exact(name) => name.clone(),
                Hostname::Wildcard(name) => format!("*.{name}"),
            }))
        };
        let mut matches: Vec<String> = route.matches.iter().map(match_text).collect();
        if let (Some(first), Some(share)) = (matches.first_mut(), route.traffic) {
            let _ = write!(first, ", {} % of it", f64::from(share.millionths) / 10_000.0);
        }
        let (upstream, targets) = match &route.backend {
            Backend::Pool(key) => match table.pools.get(key) {
                Some(pool) => {
                    let find = |target: &ObjectKey| table.targets.get(target).map(AsRef::as_ref);
                    let upstream = format!("{key} ({})", word(pool.algorithm));
                    (upstream, pool_text(pool, find, |member| member_text(table, member)))
                }
                None => (key.to_string(), "missing: answers 503".to_owned()),
            },
            Backend::Invalid => ("-".to_owned(), "answers 503: no valid version".to_owned()),
            Backend::Inline(inline) => (format!("in place ({})", word(inline.pool.algorithm)), inline_text(inline)),
        };
        let targets = if stale { format!("{targets} (the last valid version)") } else { targets };
        Self { hosts, matches, upstream, targets }
    }

    fn lines(&self, mark: &str, key: &ObjectKey) -> Vec<[String; 5]> {
        let first = self.matches.first().cloned().unwrap_or_default();
        let rest = self.matches.iter().skip(1).map(|wanted| {
            let indent = " ".repeat(mark.len());
            [indent, String::new(), wanted.clone(), String::new(), String::new()]
        });
        let first = [format!("{mark}{key}"), self.hosts.clone(), first, self.upstream.clone(), self.targets.clone()];
        [first].into_iter().chain(rest).collect()
    }
}

fn match_text(wanted: &Match) -> String {
    let mut parts = Vec::new();
    if !wanted.methods.is_empty() {
        parts.push(wanted.methods.join(" "));
    }
    parts.push(match &wanted.path {
        PathMatch::Exact(path) => format!("exactly {path}"),
        PathMatch::Prefix(path) => format!("prefix {path}"),
        PathMatch::Glob(path) => format!("glob {path}"),
        PathMatch::RegularExpression(path) => format!("regular expression {path}"),
    });
    parts.extend(wanted.headers.iter().map(|header| format!("header {}", header.name)));
    parts.extend(wanted.query.iter().map(|parameter| format!("query {}", parameter.name)));
    if wanted.content_length.is_some() {
        parts.push("content length".to_owned());
    }
    if !wanted.models.is_empty() {
        parts.push(format!("model {}", listed(wanted.models.iter().cloned())));
    }
    if !wanted.user_tiers.is_empty() {
        parts.push(format!("tier {}", listed(wanted.user_tiers.iter().cloned())));
    }
    if !wanted.user_segments.is_empty() {
        parts.push(format!("segment {}", listed(wanted.user_segments.iter().cloned())));
    }
    parts.join(", ")
}

/// A member's name; for a Target that is found at discovered addresses, with their number.
fn member_text(table: &Table, member: &Member) -> String {
    let name = &member.target.name;
    if !table.targets.get(&member.target).is_some_and(|target| target.discovered) {
        return name.clone();
    }
    match table.endpoints.get(&member.target).map_or(0, |endpoints| endpoints.addresses.len()) {
        0 => format!("{name} (no ready address)"),
        1 => format!("{name} (1 address)"),
        count => format!("{name} ({count} addresses)"),
    }
}

fn inline_text(inline: &InlinePool) -> String {
    let find = |key: &ObjectKey| inline.targets.iter().find(|(name, _)| name == key).map(|(_, target)| target);
    pool_text(&inline.pool, find, |member| {
        find(&member.target)
            .map_or_else(|| member.target.name.clone(), |target| format!("{}:{}", target.host, target.port))
    })
}

fn pool_text<'a>(
    pool: &Pool,
    find: impl Fn(&ObjectKey) -> Option<&'a Target>,
    name: impl Fn(&Member) -> String,
) -> String {
    let level = |level: &Level| {
        // Equal shares need no numbers, and weights that do not add up are equal shares: the table has 1 or 0 for each.
        let equal = level.members.windows(2).all(|pair| matches!(pair, [a, b] if a.weight == b.weight));
        let percent = level.members.iter().map(|member| u32::from(member.weight.get())).sum::<u32>() == 100;
        let texts = level.members.iter().map(|member| {
            let mut text = name(member);
            if !equal && (percent || member.weight.get() == 0) {
                let _ = write!(text, " {} %", member.weight.get());
            }
            match find(&member.target) {
                None => text.push_str(" (missing)"),
                Some(target) => text.push_str(state_text(target)),
            }
            text
        });
        listed(texts)
    };
    let levels: Vec<String> = match pool.levels.as_slice() {
        [only] => vec![level(only)],
        levels => levels.iter().map(|one| format!("{}: {}", one.priority, level(one))).collect(),
    };
    levels.join("; ")
}

fn state_text(target: &Target) -> &'static str {
    match target.state {
        TargetState::Disabled => " (Disabled)",
        TargetState::Draining => " (Draining)",
        TargetState::Enabled if target.credential.as_ref().is_some_and(|credential| credential.value.is_none()) => {
            " (no credential)"
        }
        TargetState::Enabled => "",
    }
}

/// The first few, and how many more.
fn listed(texts: impl ExactSizeIterator<Item = String>) -> String {
    let more = texts.len().saturating_sub(MOST_TARGETS);
    let mut first: Vec<String> = texts.take(MOST_TARGETS).collect();
    if more > 0 {
        first.push(format!("{more} more"));
    }
    first.join(", ")
}

/// The algorithm's name as users write it.
fn word(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}

#[cfg(test)]
#[path = "table_view_tests.rs"]
mod tests;
