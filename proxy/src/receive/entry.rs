//! Reading an entry of the table, and refusing what this release would obey by half.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use sluicegate_table::watch::EntryKind;
use sluicegate_table::{Endpoints, ObjectKey, Pool, Route, Table, Target};

/// An entry of any kind.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Route(Arc<Route>),
    Pool(Arc<Pool>),
    Target(Arc<Target>),
    Endpoints(Arc<Endpoints>),
}

impl Entry {
    /// Reads an entry's text.
    ///
    /// # Errors
    /// Why it cannot be used, in words for the user. Names fields and never their values, which may be secret.
    pub(super) fn read(kind: EntryKind, text: &str) -> Result<Self, String> {
        match kind {
            EntryKind::Route => strict(text).map(Self::Route),
            EntryKind::Pool => strict(text).map(Self::Pool),
            EntryKind::Target => strict(text).map(Self::Target),
            EntryKind::Endpoints => strict(text).map(Self::Endpoints),
        }
    }

    /// Puts it into a table.
    pub(super) fn put(self, table: &mut Table, key: ObjectKey) {
        match self {
            Self::Route(entry) => drop(table.routes.insert(key, entry)),
            Self::Pool(entry) => drop(table.pools.insert(key, entry)),
            Self::Target(entry) => drop(table.targets.insert(key, entry)),
            Self::Endpoints(entry) => drop(table.endpoints.insert(key, entry)),
        }
    }

    /// Takes the entry of that kind under that key out of a table.
    pub(super) fn remove(table: &mut Table, kind: EntryKind, key: &ObjectKey) {
        match kind {
            EntryKind::Route => drop(table.routes.remove(key)),
            EntryKind::Pool => drop(table.pools.remove(key)),
            EntryKind::Target => drop(table.targets.remove(key)),
            EntryKind::Endpoints => drop(table.endpoints.remove(key)),
        }
    }
}

/// Reads JSON of which every field must be known.
fn strict<T: DeserializeOwned>(text: &str) -> Result<Arc<T>, String> {
    let mut unknown: Option<String> = None;
    let mut place = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_str(text);
    let located = serde_path_to_error::Deserializer::new(&mut json, &mut place);
    let read = serde_ignored::deserialize(located, |path| {
        // The library writes a step into an optional value as a question mark.
        unknown.get_or_insert_with(|| path.to_string().replace(".?", ""));
    });
    match (read, unknown) {
        (Ok(entry), None) => Ok(Arc::new(entry)),
        (_, Some(field)) => Err(format!("this release of the proxy does not know the field {field}")),
        // The library's message quotes the value.
        (Err(_), None) => Err(format!("this release of the proxy cannot use what {} holds", place.path())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sluicegate_table::watch::EntryKind;

    use super::Entry;

    const TARGET: &str = r#"{"host":"a","port":80,"protocol":"HTTP","credential":{"header":"x","value":"planted"}}"#;

    #[test]
    fn what_this_release_knows_is_read_and_what_is_left_out_has_its_default() {
        assert!(matches!(Entry::read(EntryKind::Target, TARGET), Ok(Entry::Target(_))));
        assert!(matches!(Entry::read(EntryKind::Endpoints, r#"{"addresses":[]}"#), Ok(Entry::Endpoints(_))));
    }

    #[test]
    fn what_it_does_not_know_is_refused_by_its_name_and_without_values() {
        for (from, to, reason) in [
            (r#""port":80"#, r#""port":80,"mirror":{"share":"planted"}"#, "does not know the field mirror"),
            (r#""header":"x""#, r#""header":"x","prefix":"planted""#, "does not know the field credential.prefix"),
            (r#""value":"planted""#, r#""value":{"planted":1}"#, "cannot use what credential.value holds"),
            (r#""value":"planted""#, r#""value":123456"#, "cannot use what credential.value holds"),
            (r#""HTTP""#, r#""HTTP3 planted""#, "cannot use what protocol holds"),
            (r#""host":"a","#, "", "cannot use what . holds"),
        ] {
            let said = Entry::read(EntryKind::Target, &TARGET.replace(from, to)).unwrap_err();
            assert!(said.ends_with(reason), "{said} for {to}");
            assert!(!said.contains("planted") && !said.contains("123456"), "{said}");
        }
    }
}
