//! Finding what belongs to a host name: its exact entry, then those of its wildcards, longest first, then the one for
//! every host.

use rustc_hash::FxHashMap;
use sluicegate_table::Hostname;

/// Entries by host name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts<T> {
    exact: FxHashMap<Box<str>, T>,
    /// By what follows the `*.`.
    wildcard: FxHashMap<Box<str>, T>,
    every: T,
}

impl<T: Default> Hosts<T> {
    /// The entry of a host name, or of every host; made where there is none.
    pub(crate) fn entry(&mut self, name: Option<&Hostname>) -> &mut T {
        match name {
            None => &mut self.every,
            Some(Hostname::Exact(name)) => self.exact.entry(name.as_str().into()).or_default(),
            Some(Hostname::Wildcard(name)) => self.wildcard.entry(name.as_str().into()).or_default(),
        }
    }

    /// The same names with entries made from these.
    pub(crate) fn try_map<U, E>(self, mut make: impl FnMut(T) -> Result<U, E>) -> Result<Hosts<U>, E> {
        let mut each = |(name, entry)| make(entry).map(|made| (name, made));
        let exact = self.exact.into_iter().map(&mut each).collect::<Result<_, E>>()?;
        let wildcard = self.wildcard.into_iter().map(&mut each).collect::<Result<_, E>>()?;
        Ok(Hosts { exact, wildcard, every: make(self.every)? })
    }
}

impl<T> Hosts<T> {
    /// The entries that take `host`, the most specific first.
    pub(crate) fn of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a T> {
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host) };
        let wildcards = if self.wildcard.is_empty() { "" } else { host };
        exact
            .into_iter()
            .chain(parents(wildcards).filter_map(|parent| self.wildcard.get(parent)))
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
    fn a_host_finds_its_entries_from_the_most_specific_on() {
        let mut hosts = Hosts::<u8>::default();
        *hosts.entry(None) = 1;
        *hosts.entry(Some(&Hostname::Wildcard("example.com".into()))) = 2;
        *hosts.entry(Some(&Hostname::Wildcard("a.example.com".into()))) = 3;
        *hosts.entry(Some(&Hostname::Exact("x.a.example.com".into()))) = 4;
        for (host, expected) in [
            ("x.a.example.com", &[4, 3, 2, 1][..]),
            ("y.a.example.com", &[3, 2, 1]),
            ("a.example.com", &[2, 1]),
            ("example.com", &[1]),
            (".example.com", &[1]),
            ("badexample.com", &[1]),
            ("", &[1]),
        ] {
            let found: Vec<u8> = hosts.of(host).copied().collect();
            assert_eq!(found, expected, "{host}");
        }
    }
}
