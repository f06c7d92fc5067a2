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

    /// What was and what is at each place of which that may differ from another version: all of the chunks that the two
    /// do not share.
    pub(crate) fn beside<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (Option<&'a T>, Option<&'a T>)> {
        (0..self.chunks.len().max(before.chunks.len())).flat_map(move |at| {
            let (then, now) = (before.chunks.get(at), self.chunks.get(at));
            let shared = then.zip(now).is_some_and(|(then, now)| Arc::ptr_eq(then, now));
            let places = if shared { 0..0 } else { 0..CHUNK };
            let place = |chunk: Option<&'a Arc<[Option<T>; CHUNK]>>, at: usize| chunk?.get(at)?.as_ref();
            places.map(move |at| (place(then, at), place(now, at)))
        })
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
            for (before, now) in versions.iter().zip(versions.iter().skip(1)) {
                let differ = now.0.beside(&before.0).filter(|(then, now)| then != now).count();
                let expected = (0..300).filter(|number| before.1.get(number) != now.1.get(number)).count();
                prop_assert_eq!(differ, expected);
                let grown = now.0.chunks.len() - before.0.chunks.len();
                prop_assert!(now.0.beside(&before.0).count() <= CHUNK * (grown + 1));
            }
            for (slots, map) in versions {
                prop_assert!(slots.iter().map(|(number, value)| (number, *value)).eq(map.clone()));
                prop_assert!((0..300).all(|number| slots.get(number) == map.get(&number)));
            }
        }
    }
}
