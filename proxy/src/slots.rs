//! A list of places that keep their numbers, of which versions share all but what differs.
//!
//! Places come in chunks: an edit copies the list of chunks and one chunk. Looking one up takes two steps.

use std::sync::Arc;

/// Places of one chunk.
const CHUNK: usize = 64;

/// Places by number; some are free.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    chunks: Arc<[Arc<[Option<T>; CHUNK]>]>,
}

impl<T> Slots<T> {
    /// What is at a place.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let number = number as usize;
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)?.as_ref()
    }

    /// Everything with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let places = (0..).zip(self.chunks.iter().flat_map(|chunk| chunk.iter()));
        places.filter_map(|(number, place)| Some((number, place.as_ref()?)))
    }
}

impl<T: Clone> Slots<T> {
    /// Puts something at a place, or frees it; gives what was there.
    pub(crate) fn set(&mut self, number: u32, value: Option<T>) -> Option<T> {
        let number = number as usize;
        if number / CHUNK >= self.chunks.len() {
            let more = (self.chunks.len()..=number / CHUNK).map(|_| Arc::new([const { None }; CHUNK]));
            self.chunks = self.chunks.iter().cloned().chain(more).collect();
        }
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(number / CHUNK)?;
        let place = Arc::make_mut(chunk).get_mut(number % CHUNK)?;
        std::mem::replace(place, value)
    }
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks) }
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { chunks: Arc::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn versions_keep_what_they_had(edits in proptest::collection::vec((0..300_u32, proptest::option::of(0..9_u8)), 0..60)) {
            let mut versions = vec![(Slots::default(), BTreeMap::new())];
            for (number, value) in edits {
                let (mut slots, mut map) = versions.last().cloned().unwrap_or_default();
                let before = match value {
                    Some(value) => map.insert(number, value),
                    None => map.remove(&number),
                };
                prop_assert_eq!(slots.set(number, value), before);
                versions.push((slots, map));
            }
            for (slots, map) in versions {
                prop_assert!(slots.iter().map(|(number, value)| (number, *value)).eq(map.clone()));
                prop_assert!((0..300).all(|number| slots.get(number) == map.get(&number)));
            }
        }
    }
}
