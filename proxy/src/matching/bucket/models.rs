//! Matches by the models that they want.

use std::sync::Arc;

use super::subjects::Value;
use super::{Bucket, Limit, Matches};
use crate::matching::conditions::{Conditions, Except};
use crate::matching::shards::{Left, Shards};
use crate::request::RequestView;

/// Matches by the models that they want.
#[derive(Clone, Debug, Default)]
pub(super) struct Models {
    exact: Shards<Bucket>,
    /// Those written with a final star, by what stands before it.
    starts: Shards<Bucket>,
    /// The lengths of the keys of `starts`. One that is no longer needed stays: it costs a look in vain.
    lengths: Vec<usize>,
    /// All of them.
    all: Matches,
    /// At each of `all` the largest buffer up to there.
    buffers: Arc<[u64]>,
}

impl Models {
    /// Sets what [`Self::undecided`] goes by.
    pub(super) fn set_all(&mut self, all: Matches) {
        let mut largest = 0;
        let up_to = |match_: &Arc<Conditions>| {
            largest = match_.buffer_size.max(largest);
            largest
        };
        self.buffers = all.iter().map(up_to).collect();
        self.all = all;
    }

    /// Has [`Self::undecided`] go by this match too.
    pub(super) fn add(&mut self, match_: &Arc<Conditions>) {
        let mut all = std::mem::take(&mut self.all);
        all.insert(match_);
        self.set_all(all);
    }

    /// Undoes [`Self::add`].
    pub(super) fn remove(&mut self, match_: &Arc<Conditions>) {
        let mut all = std::mem::take(&mut self.all);
        all.remove(match_);
        self.set_all(all);
    }

    /// What stands under a value.
    pub(super) fn under(&self, value: Value<'_>) -> Option<&Bucket> {
        if value.starts { self.starts.get(value.bytes) } else { self.exact.get(value.bytes) }
    }

    /// Changes what stands under a value.
    pub(super) fn edit_under(&mut self, value: Value<'_>, change: impl FnOnce(&mut Bucket) -> Left) {
        if value.starts {
            if !self.lengths.contains(&value.bytes.len()) {
                self.lengths.push(value.bytes.len());
            }
            self.starts.edit(value.bytes, Bucket::default, change);
        } else {
            self.exact.edit(value.bytes, Bucket::default, change);
        }
    }

    /// Goes through what wants this model.
    pub(super) fn of<'a>(&'a self, model: &str, ask: &mut impl FnMut(&'a Bucket)) {
        self.exact.get(model.as_bytes()).into_iter().for_each(&mut *ask);
        let starts = self.lengths.iter().filter_map(|length| model.as_bytes().get(..*length));
        starts.filter_map(|start| self.starts.get(start)).for_each(ask);
    }

    /// The largest buffer of those before the limit, where one of them lacks nothing but the model.
    pub(super) fn undecided(&self, limit: Limit<'_>, request: &RequestView<'_>) -> Option<u64> {
        self.all.best(limit, request, Except::Model)?;
        self.buffers.get(self.all.before(limit).len().checked_sub(1)?).copied()
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.exact.values().chain(self.starts.values())
    }
}
