//! Putting matches in and taking them out.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::index::Index;
use super::subjects::{Subject, Wanted, exact_conditions};
use super::{Bucket, FEW, Matches, build};
use crate::matching::conditions::Conditions;

/// Where more than one match in this many changes, all are laid out anew: that costs less than one by one, and chooses
/// anew under which condition each stands.
const ANEW: usize = 4;

impl Bucket {
    /// Takes matches out and puts others in.
    pub(crate) fn edit(&mut self, removed: &[Arc<Conditions>], added: Vec<Arc<Conditions>>) {
        if (removed.len() + added.len()) * ANEW > self.len() {
            let gone: FxHashSet<*const Conditions> = removed.iter().map(Arc::as_ptr).collect();
            let mut all = self.all();
            all.retain(|match_| !gone.contains(&Arc::as_ptr(match_)));
            all.extend(added);
            let all = Matches::new(all);
            let each: Vec<&Arc<Conditions>> = all.iter().collect();
            *self = build::bucket(&each, &mut Vec::new());
            return;
        }
        for match_ in removed {
            self.remove(match_, &mut Vec::new());
        }
        for match_ in added {
            self.add(&match_, &mut Vec::new());
        }
    }

    fn add<'a>(&mut self, match_: &'a Arc<Conditions>, used: &mut Vec<Subject<'a>>) {
        match self {
            Self::Many(index) => Arc::make_mut(index).add(match_, used),
            // More than a few stand in a list where none has an exact condition.
            Self::Few(matches)
                if matches.len() < FEW || (matches.len() > FEW && exact_conditions(match_, used).is_empty()) =>
            {
                matches.insert(match_);
            }
            Self::Few(matches) => {
                let all: Vec<&Arc<Conditions>> = matches.iter().chain([match_]).collect();
                *self = build::bucket(&all, &mut used.clone());
            }
        }
    }

    fn remove<'a>(&mut self, match_: &'a Arc<Conditions>, used: &mut Vec<Subject<'a>>) {
        match self {
            Self::Few(matches) => {
                matches.remove(match_);
            }
            Self::Many(index) => {
                let index = Arc::make_mut(index);
                index.remove(match_, used);
                if index.len <= FEW {
                    *self = Self::Few(Matches::new(self.all()));
                }
            }
        }
    }

    /// Whether a match stands in here.
    fn holds<'a>(&self, match_: &'a Arc<Conditions>, used: &mut Vec<Subject<'a>>) -> bool {
        match self {
            Self::Few(matches) => matches.iter().any(|other| Arc::ptr_eq(other, match_)),
            Self::Many(index) => {
                index.place(match_, used).is_some() || index.rest.iter().any(|other| Arc::ptr_eq(other, match_))
            }
        }
    }

    /// All matches, some of them several times.
    fn all(&self) -> Vec<Arc<Conditions>> {
        match self {
            Self::Few(matches) => matches.iter().cloned().collect(),
            Self::Many(index) => index.rest.iter().cloned().chain(index.buckets().flat_map(Bucket::all)).collect(),
        }
    }
}

impl Index {
    fn add<'a>(&mut self, match_: &'a Arc<Conditions>, used: &mut Vec<Subject<'a>>) {
        self.len += 1;
        if match_.precedence < self.first {
            self.first = match_.precedence.clone();
        }
        let by_shared = |(subject, values): &Wanted<'_>| {
            let most = values.iter().map(|value| self.under(*subject, *value).map_or(0, Bucket::len)).max();
            (*subject == Subject::Model, most)
        };
        let Some((subject, values)) = exact_conditions(match_, used).into_iter().min_by_key(by_shared) else {
            self.rest.insert(match_);
            return;
        };
        if subject == Subject::Model {
            self.models.add(match_);
        }
        used.push(subject);
        for value in values {
            self.edit_under(subject, value, |bucket| bucket.add(match_, used));
        }
        used.pop();
    }

    fn remove<'a>(&mut self, match_: &'a Arc<Conditions>, used: &mut Vec<Subject<'a>>) {
        // What is left may begin with a worse precedence; a bound that is too good is no mistake.
        let Some((subject, values)) = self.place(match_, used) else {
            if self.rest.remove(match_) {
                self.len -= 1;
            }
            return;
        };
        self.len -= 1;
        if subject == Subject::Model {
            self.models.remove(match_);
        }
        used.push(subject);
        for value in values {
            self.edit_under(subject, value, |bucket| bucket.remove(match_, used));
        }
        used.pop();
    }

    /// The condition that a match stands under.
    fn place<'a>(&self, match_: &'a Arc<Conditions>, used: &mut Vec<Subject<'a>>) -> Option<Wanted<'a>> {
        exact_conditions(match_, used).into_iter().find(|(subject, values)| {
            let bucket = values.first().and_then(|value| self.under(*subject, *value));
            used.push(*subject);
            let holds = bucket.is_some_and(|bucket| bucket.holds(match_, used));
            used.pop();
            holds
        })
    }
}
