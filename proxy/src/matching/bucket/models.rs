//! Matches by the models that they want.

use rustc_hash::FxHashMap;

use super::{Asked, Bucket, Rank, Ranks};
use crate::matching::conditions::{Conditions, Except};

/// Matches by the models that they want.
#[derive(Clone, Debug, Default)]
pub(super) struct Models {
    exact: FxHashMap<Box<[u8]>, Bucket>,
    /// Those written with a final star, by what stands before it.
    starts: FxHashMap<Box<[u8]>, Bucket>,
    /// The lengths of the keys of `starts`.
    lengths: Vec<usize>,
    /// All of them.
    all: Ranks,
    /// At each of `all` the largest buffer up to there.
    buffers: Box<[u64]>,
}

impl Models {
    /// Sets what [`Self::undecided`] goes by.
    pub(super) fn set_all(&mut self, all: Ranks, conditions: &[Conditions]) {
        let mut largest = 0;
        let sizes = all.0.iter().map(|rank| conditions.get(*rank as usize).map_or(0, |match_| match_.buffer_size));
        self.buffers = sizes
            .map(|size| {
                largest = size.max(largest);
                largest
            })
            .collect();
        self.all = all;
    }

    /// Adds the matches that want a model, or any model with such a beginning.
    pub(super) fn insert(&mut self, starts: bool, name: Box<[u8]>, bucket: Bucket) {
        if starts {
            if !self.lengths.contains(&name.len()) {
                self.lengths.push(name.len());
            }
            self.starts.insert(name, bucket);
        } else {
            self.exact.insert(name, bucket);
        }
    }

    /// Goes through what wants this model.
    pub(super) fn of<'a>(&'a self, model: &str, ask: &mut impl FnMut(&'a Bucket)) {
        self.exact.get(model.as_bytes()).into_iter().for_each(&mut *ask);
        let starts = self.lengths.iter().filter_map(|length| model.as_bytes().get(..*length));
        starts.filter_map(|start| self.starts.get(start)).for_each(ask);
    }

    /// The largest buffer of those before `limit`, where one of them lacks nothing but the model.
    pub(super) fn undecided(&self, limit: Rank, asked: Asked<'_>) -> Option<u64> {
        self.all.best(limit, asked, Except::Model)?;
        let before = self.all.0.partition_point(|rank| *rank < limit);
        self.buffers.get(before.checked_sub(1)?).copied()
    }
}
