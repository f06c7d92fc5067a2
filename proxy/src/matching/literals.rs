//! A radix tree over the literal parts of prefixes and globs: finds those that a path begins with in one walk over the path.
//!
//! Versions share what they have in common: an edit copies the nodes on the way to the literal.

use std::ops::ControlFlow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::shards::Left;

/// Distinct literals, each with a value. `None`: there is none.
#[derive(Debug)]
pub(crate) struct Literals<T>(Option<Arc<Node<T>>>);

/// Small, and with what a walk compares in it rather than a step away.
#[derive(Debug)]
struct Node<T> {
    /// The text that leads here from the parent.
    edge: Text,
    /// The first bytes of the children's edges.
    firsts: Text,
    children: Vec<Arc<Node<T>>>,
    /// Of the literal that ends here.
    value: Option<Arc<T>>,
}

type Text = SmallVec<[u8; 16]>;

/// Up to this many literals that a path begins with are found without an allocation.
const NESTED: usize = 32;

impl<T> Literals<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Goes through the values of all literals that `path` begins with, longest first, until `visit` breaks off.
    pub(crate) fn each<'a>(&'a self, path: &[u8], mut visit: impl FnMut(&'a T) -> ControlFlow<()>) {
        let mut found: SmallVec<[&'a T; NESTED]> = SmallVec::new();
        let mut rest = path;
        let mut next = self.0.as_deref();
        while let Some(node) = next {
            let Some(after) = rest.strip_prefix(&*node.edge) else { break };
            found.extend(node.value.as_deref());
            rest = after;
            let slot = rest.first().and_then(|first| memchr::memchr(*first, &node.firsts));
            next = slot.and_then(|slot| node.children.get(slot)).map(AsRef::as_ref);
        }
        for value in found.iter().rev() {
            if visit(value).is_break() {
                return;
            }
        }
    }
}

impl<T: Clone> Literals<T> {
    /// Changes the value of a literal, which is made where it is not there, and taken out where `change` says that nothing is
    /// left.
    pub(crate) fn edit(&mut self, literal: &[u8], make: impl FnOnce() -> T, change: impl FnOnce(&mut T) -> Left) {
        let root = self.0.get_or_insert_with(|| Arc::new(Node::leaf(&[], None)));
        Arc::make_mut(root).edit(literal, make, change);
        if root.value.is_none() && root.children.is_empty() {
            self.0 = None;
        }
    }
}

impl<T: Clone> Node<T> {
    fn leaf(edge: &[u8], value: Option<T>) -> Self {
        Self { edge: edge.into(), firsts: Text::new(), children: Vec::new(), value: value.map(Arc::new) }
    }

    fn push(&mut self, child: Self) {
        self.firsts.extend(child.edge.first().copied());
        self.children.push(Arc::new(child));
    }

    /// Changes the value at the end of `rest`, which begins where this node's edge ends.
    fn edit(&mut self, rest: &[u8], make: impl FnOnce() -> T, change: impl FnOnce(&mut T) -> Left) {
        let Some(first) = rest.first() else {
            match &mut self.value {
                Some(value) => {
                    if change(Arc::make_mut(value)) == Left::Nothing {
                        self.value = None;
                    }
                }
                None => self.value = made(make, change).map(Arc::new),
            }
            return;
        };
        let slot = memchr::memchr(*first, &self.firsts);
        let Some((slot, child)) = slot.and_then(|slot| Some((slot, self.children.get_mut(slot)?))) else {
            if let Some(value) = made(make, change) {
                self.push(Self::leaf(rest, Some(value)));
            }
            return;
        };
        let shared = child.edge.iter().zip(rest).take_while(|(a, b)| a == b).count();
        let (stem, rest) = rest.split_at_checked(shared).unwrap_or((rest, &[]));
        if let Some(tip) = child.edge.get(shared..).filter(|tip| !tip.is_empty()) {
            // The child's text parts ways with the literal: its lower part becomes a node of its own.
            let Some(value) = made(make, change) else { return };
            let mut upper = Self::leaf(stem, None);
            upper.push(Self { edge: tip.into(), ..Self::clone(child) });
            if rest.is_empty() {
                upper.value = Some(Arc::new(value));
            } else {
                upper.push(Self::leaf(rest, Some(value)));
            }
            *child = Arc::new(upper);
            return;
        }
        Arc::make_mut(child).edit(rest, make, change);
        self.tidy(slot);
    }

    /// Takes a child without a value out of the way: a node stands where texts end or part.
    fn tidy(&mut self, slot: usize) {
        let Some(child) = self.children.get_mut(slot).filter(|child| child.value.is_none()) else { return };
        match child.children.as_slice() {
            [] => {
                self.children.swap_remove(slot);
                self.firsts.swap_remove(slot);
            }
            [only] => {
                let edge = child.edge.iter().chain(only.edge.iter()).copied().collect();
                *child = Arc::new(Self { edge, ..Self::clone(only) });
            }
            _ => {}
        }
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        Self {
            edge: self.edge.clone(),
            firsts: self.firsts.clone(),
            children: self.children.clone(),
            value: self.value.clone(),
        }
    }
}

/// A new value, where something is left of it.
fn made<T>(make: impl FnOnce() -> T, change: impl FnOnce(&mut T) -> Left) -> Option<T> {
    let mut value = make();
    (change(&mut value) == Left::Something).then_some(value)
}

impl<T> Clone for Literals<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Literals<T> {
    fn default() -> Self {
        Self(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_literals_that_a_path_begins_with_are_found_longest_first_in_every_version(
            edits in proptest::collection::vec(("[ab/]{0,6}", proptest::option::weighted(0.6, 0..9_u8)), 0..60),
            path in "[ab/]{0,8}",
        ) {
            let mut versions = vec![(Literals::default(), BTreeMap::new())];
            for (literal, value) in edits {
                let (mut tree, mut map) = versions.last().cloned().unwrap_or_default();
                tree.edit(literal.as_bytes(), || (literal.clone(), 0), |now| {
                    now.1 = value.unwrap_or_default();
                    Left::unless(value.is_none())
                });
                match value {
                    Some(value) => map.insert(literal, value),
                    None => map.remove(&literal),
                };
                versions.push((tree, map));
            }
            for (tree, map) in versions {
                let mut found: Vec<(String, u8)> = Vec::new();
                tree.each(path.as_bytes(), |value| {
                    found.push(value.clone());
                    ControlFlow::Continue(())
                });
                let mut expected: Vec<(String, u8)> =
                    map.iter().filter(|(literal, _)| path.starts_with(literal.as_str())).map(|(l, v)| (l.clone(), *v)).collect();
                expected.sort_by_key(|(literal, _)| std::cmp::Reverse(literal.len()));
                prop_assert_eq!(found, expected);
                prop_assert_eq!(tree.is_empty(), map.is_empty());
            }
        }
    }
}
