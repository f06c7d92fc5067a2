//! Finding what belongs to a host name: its exact entry, then those of its wildcards, longest first, then the one for
//! every host.

use sluicegate_table::Hostname;

use super::paths::{Changes, Paths};
use super::shards::{Left, Shards};

/// Entries by host name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    exact: Shards<Paths>,
    /// By what follows the `*.`.
    wildcard: Shards<Paths>,
    every: Paths,
}

impl Hosts {
    /// Changes the entry of a host name, or of every host.
    pub(crate) fn edit(&mut self, name: Option<&Hostname>, changes: Changes<'_>) {
        let change = |paths: &mut Paths| {
            paths.edit(changes);
            Left::unless(paths.is_empty())
        };
        match name {
            None => {
                change(&mut self.every);
            }
            Some(Hostname::Exact(name)) => self.exact.edit(name.as_bytes(), Paths::default, change),
            Some(Hostname::Wildcard(name)) => self.wildcard.edit(name.as_bytes(), Paths::default, change),
        }
    }

    /// The entries that take `host`, the most specific first.
    pub(crate) fn of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Paths> {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host.as_bytes()) };
        let wildcards = if self.wildcard.is_empty() { "" } else { host };
        exact
            .into_iter()
            .chain(parents(wildcards).filter_map(|parent| self.wildcard.get(parent.as_bytes())))
            .chain(std::iter::once(&self.every))
    }
}

/// `b.c` and `c` for `a.b.c`: the names of which `host` is a subdomain, longest first.
pub(crate) fn parents(host: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b'.', host.as_bytes()).filter(|at| *at > 0).filter_map(|at| host.get(at + 1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_under_its_parents() {
        for (host, expected) in [
            ("x.a.example.com", &["a.example.com", "example.com", "com"][..]),
            ("example.com", &["com"]),
            (".example.com", &["com"]),
            ("localhost", &[]),
            ("", &[]),
        ] {
            assert_eq!(parents(host).collect::<Vec<_>>(), expected, "{host}");
        }
    }
}
