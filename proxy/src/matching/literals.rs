//! A radix tree over the literal parts of prefixes and globs: finds the longest one that a path begins with in one walk
//! over the path, and from it the shorter ones.

/// Distinct literals, each with a value.
#[derive(Clone, Debug)]
pub(crate) struct Literals<T> {
    nodes: Vec<Node>,
    entries: Vec<Entry<T>>,
}

#[derive(Clone, Debug)]
struct Node {
    /// The text that leads here from the parent.
    edge: Box<[u8]>,
    /// The first bytes of the children's edges.
    firsts: Vec<u8>,
    children: Vec<u32>,
    entry: Option<u32>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    /// The longest other literal that this one begins with.
    shorter: Option<u32>,
    value: T,
}

impl<T> Literals<T> {
    /// The tree of these literals. They must be sorted and distinct.
    pub(crate) fn new<L: AsRef<[u8]>>(sorted: impl IntoIterator<Item = (L, T)>) -> Self {
        let mut tree = Self { nodes: vec![Node::new(&[], None)], entries: Vec::new() };
        // In sorted order whatever a literal begins with stands on this stack.
        let mut above: Vec<(L, u32)> = Vec::new();
        for (literal, value) in sorted {
            while above.last().is_some_and(|(shorter, _)| !literal.as_ref().starts_with(shorter.as_ref())) {
                above.pop();
            }
            let index = tree.entries.len() as u32;
            tree.entries.push(Entry { shorter: above.last().map(|(_, index)| *index), value });
            tree.insert(literal.as_ref(), index);
            above.push((literal, index));
        }
        tree
    }

    fn insert(&mut self, literal: &[u8], entry: u32) {
        let mut at = 0_usize;
        let mut rest = literal;
        loop {
            let next_node = self.nodes.len() as u32;
            let Some(node) = self.nodes.get_mut(at) else { return };
            let Some(first) = rest.first() else {
                node.entry = Some(entry);
                return;
            };
            let Some(slot) = memchr::memchr(*first, &node.firsts) else {
                node.firsts.push(*first);
                node.children.push(next_node);
                self.nodes.push(Node::new(rest, Some(entry)));
                return;
            };
            let Some(child) = node.children.get(slot).map(|child| *child as usize) else { return };
            let Some(child_node) = self.nodes.get_mut(child) else { return };
            let shared = child_node.edge.iter().zip(rest).take_while(|(a, b)| a == b).count();
            let edge = std::mem::take(&mut child_node.edge);
            let (stem, tip) = edge.split_at_checked(shared).unwrap_or((&edge, &[]));
            if let Some(first) = tip.first() {
                // The child's text parts ways with the literal: its lower part becomes a node of its own.
                let mut lower = Node::new(tip, child_node.entry.take());
                lower.firsts = std::mem::replace(&mut child_node.firsts, vec![*first]);
                lower.children = std::mem::replace(&mut child_node.children, vec![next_node]);
                child_node.edge = stem.into();
                self.nodes.push(lower);
            } else {
                child_node.edge = edge;
            }
            at = child;
            rest = rest.get(shared..).unwrap_or_default();
        }
    }

    /// The values of all literals that `path` begins with, longest first.
    pub(crate) fn of<'a>(&'a self, path: &[u8]) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let entry = |index: u32| self.entries.get(index as usize);
        std::iter::successors(self.longest(path).and_then(entry), move |found| found.shorter.and_then(entry))
            .map(|found| &found.value)
    }

    fn longest(&self, path: &[u8]) -> Option<u32> {
        let mut node = self.nodes.first()?;
        let mut rest = path;
        let mut found = None;
        loop {
            found = node.entry.or(found);
            let Some(first) = rest.first() else { return found };
            let Some(slot) = memchr::memchr(*first, &node.firsts) else { return found };
            let Some(child) = node.children.get(slot).and_then(|child| self.nodes.get(*child as usize)) else {
                return found;
            };
            let Some(after) = rest.strip_prefix(&*child.edge) else { return found };
            node = child;
            rest = after;
        }
    }
}

impl<T> Default for Literals<T> {
    fn default() -> Self {
        Self { nodes: Vec::new(), entries: Vec::new() }
    }
}

impl Node {
    fn new(edge: &[u8], entry: Option<u32>) -> Self {
        Self { edge: edge.into(), firsts: Vec::new(), children: Vec::new(), entry }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_literals_that_a_path_begins_with_are_found_longest_first(
            literals in proptest::collection::btree_set("[ab/]{0,6}", 0..40),
            path in "[ab/]{0,8}",
        ) {
            let literals: BTreeSet<String> = literals;
            let tree = Literals::new(literals.iter().map(|literal| (literal.as_bytes(), literal.clone())));
            let found: Vec<&String> = tree.of(path.as_bytes()).collect();
            let mut expected: Vec<&String> = literals.iter().filter(|l| path.starts_with(l.as_str())).collect();
            expected.sort_by_key(|literal| std::cmp::Reverse(literal.len()));
            prop_assert_eq!(found, expected);
        }
    }
}
