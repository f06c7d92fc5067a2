//! A hash map of which versions share all but what differs.
//!
//! Entries stand in short chains by their hash. An edit copies the list of chains (a pointer each) and one chain; looking up
//! goes to one chain and compares hashes, then one key. That is as fast as a table with open addressing, and a tree of
//! nodes, as other persistent maps are, would be slower by a step or two.

use std::hash::BuildHasher;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

/// How many entries a chain has on average before there are twice as many chains.
const FULL: usize = 4;

/// A map from bytes.
#[derive(Debug)]
pub(crate) struct Shards<V> {
    /// As many as a power of two; none while the map is empty.
    chains: Option<Arc<[Chain<V>]>>,
    len: usize,
}

/// Entries whose hashes agree in the lower bits; `None`: there is none.
type Chain<V> = Option<Arc<[Entry<V>]>>;

#[derive(Clone, Debug)]
struct Entry<V> {
    hash: u64,
    key: Arc<[u8]>,
    value: V,
}

impl<V> Shards<V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What stands under a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        let chains = self.chains.as_deref()?;
        let hash = FxBuildHasher.hash_one(key);
        let chain = chains.get(place(hash, chains.len()))?.as_deref()?;
        chain.iter().find(|entry| entry.hash == hash && *entry.key == *key).map(|entry| &entry.value)
    }

    /// All values, in no particular order.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries().map(|entry| &entry.value)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry<V>> {
        self.chains.iter().flat_map(|chains| chains.iter()).flatten().flat_map(|chain| chain.iter())
    }
}

impl<V: Clone> Shards<V> {
    /// Changes what stands under a key, which is made where it is not there, and taken out where `change` says that nothing
    /// is left.
    pub(crate) fn edit(&mut self, key: &[u8], make: impl FnOnce() -> V, change: impl FnOnce(&mut V) -> Left) {
        if self.len >= FULL * self.chains.as_ref().map_or(0, |chains| chains.len()) {
            self.spread();
        }
        let hash = FxBuildHasher.hash_one(key);
        let Some(chains) = self.chains.as_mut().map(Arc::make_mut) else { return };
        let count = chains.len();
        let Some(chain) = chains.get_mut(place(hash, count)) else { return };
        let found =
            chain.iter().flat_map(|chain| chain.iter()).position(|entry| entry.hash == hash && *entry.key == *key);
        match (found, chain) {
            (Some(at), Some(entries)) => {
                let Some(entry) = Arc::make_mut(entries).get_mut(at) else { return };
                if change(&mut entry.value) == Left::Something {
                    return;
                }
                let rest = entries.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, entry)| entry.clone());
                *entries = rest.collect();
                self.len -= 1;
            }
            (_, chain) => {
                let mut value = make();
                if change(&mut value) == Left::Something {
                    let new = Entry { hash, key: key.into(), value };
                    *chain = Some(chain.iter().flat_map(|chain| chain.iter().cloned()).chain([new]).collect());
                    self.len += 1;
                }
            }
        }
    }

    /// Lays the entries out anew on chains enough for twice as many.
    fn spread(&mut self) {
        let count = (2 * self.len.max(1)).div_ceil(FULL).next_power_of_two();
        let mut chains: Vec<Vec<Entry<V>>> = (0..count).map(|_| Vec::new()).collect();
        for entry in self.entries() {
            if let Some(chain) = chains.get_mut(place(entry.hash, count)) {
                chain.push(entry.clone());
            }
        }
        let chain = |entries: Vec<Entry<V>>| (!entries.is_empty()).then(|| entries.into());
        self.chains = Some(chains.into_iter().map(chain).collect());
    }
}

/// What an edit leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Something,
    Nothing,
}

impl Left {
    /// `Nothing` where `empty`.
    pub(crate) fn unless(empty: bool) -> Self {
        if empty { Self::Nothing } else { Self::Something }
    }
}

/// The chain of a hash: Fx puts its best bits up.
fn place(hash: u64, chains: usize) -> usize {
    (hash >> 32) as usize & chains.wrapping_sub(1)
}

impl<V> Clone for Shards<V> {
    fn clone(&self) -> Self {
        Self { chains: self.chains.clone(), len: self.len }
    }
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self { chains: None, len: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Like a map that is copied whole, after any edits, and so are the versions before.
        #[test]
        fn versions_keep_what_they_had(edits in proptest::collection::vec((0..60_u8, proptest::option::of(0..9_u8)), 0..200)) {
            let mut versions = vec![(Shards::default(), BTreeMap::new())];
            for (key, value) in edits {
                let (mut shards, mut map) = versions.last().cloned().unwrap_or_default();
                shards.edit(&[key], || 100, |now| {
                    *now = value.unwrap_or(*now);
                    Left::unless(value.is_none())
                });
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
                versions.push((shards, map));
            }
            for (shards, map) in versions {
                prop_assert_eq!(shards.len(), map.len());
                let mut values: Vec<u8> = shards.values().copied().collect();
                values.sort_unstable();
                let mut expected: Vec<u8> = map.values().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(values, expected);
                for key in 0..60 {
                    prop_assert_eq!(shards.get(&[key]), map.get(&key));
                }
            }
        }
    }
}
