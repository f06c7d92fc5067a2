//! References from one object to another: how messages speak of what is not there.

use std::collections::BTreeMap;

use sluicegate_table::ObjectKey;

use super::faults::{Fault, shown};
use super::standing::Standing;

/// Where references are looked up: the namespace of the object that refers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    namespace: &'a str,
    /// Whether messages name what was probably meant. Such a text changes with objects that the reader never wrote of, so
    /// that it has no place in a cluster's statuses.
    suggests: bool,
}

impl<'a> Scope<'a> {
    /// The scope of the object `key`.
    pub(super) fn of(key: &'a ObjectKey, suggests: bool) -> Self {
        Self { namespace: &key.namespace, suggests }
    }

    /// The key of the object `name` of this namespace.
    pub(super) fn key(self, name: &str) -> ObjectKey {
        ObjectKey::new(self.namespace, name)
    }

    /// Why the object `name`, of which this is known, cannot be used as it is written, and what follows from it where it
    /// does not exist; `None`: it can. `written` are those that users wrote.
    pub(super) fn unusable<T>(
        self,
        kind: &str,
        name: &str,
        standing: Option<Standing>,
        written: &BTreeMap<ObjectKey, T>,
        consequence: &str,
    ) -> Option<Fault> {
        match standing {
            None => Some(self.missing(kind, name, written).so(consequence)),
            // Which of both it is depends on what proxies have, and this text must not.
            Some(Standing::Refused | Standing::NotPermitted) => {
                let message = format!("the {kind} {} is refused: its last valid version serves", shown(name));
                let fault = Fault::invalid(format!("{message}, and where there is none, {consequence}"));
                Some(fault.hint(format!("correct that {kind}; its own condition says what is wrong")))
            }
            Some(Standing::InForce | Standing::SwitchedOff) => None,
        }
    }

    /// That the object `name` does not exist, with the name that was probably meant.
    pub(super) fn missing<T>(self, kind: &str, name: &str, written: &BTreeMap<ObjectKey, T>) -> Fault {
        let fault =
            Fault::invalid(format!("the {kind} {} does not exist in namespace {}", shown(name), self.namespace));
        if !self.suggests {
            return fault;
        }
        let names = written
            .range(ObjectKey::new(self.namespace, "")..)
            .map(|(key, _)| key)
            .take_while(|key| key.namespace == self.namespace)
            .map(|key| key.name.as_str());
        match nearest(name, names) {
            Some(meant) => fault.hint(format!("did you mean {}?", shown(meant))),
            None => fault,
        }
    }
}

/// The candidate that differs from `name` by the fewest letters, if few enough for a slip of the hand.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in a short name, two in a longer one; more would suggest names that have nothing to do with each other.
    let most = if name.len() < 5 { 1 } else { 2 };
    candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= most)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (y, above) in b.bytes().zip(row.iter_mut().skip(1)) {
            let here = (diagonal + usize::from(x != y)).min(left + 1).min(*above + 1);
            diagonal = std::mem::replace(above, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("chat", "caht", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_slips_are_suggested() {
        let names = ["openai", "openai-eu", "llama"];
        assert_eq!(nearest("opnai", names.into_iter()), Some("openai"));
        assert_eq!(nearest("openai-us", names.into_iter()), Some("openai-eu"));
        assert_eq!(nearest("mistral", names.into_iter()), None);
        assert_eq!(nearest("ab", ["xy"].into_iter()), None);
    }
}
