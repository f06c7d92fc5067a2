//! Which namespaces may claim which host names, where an installation says it.
//!
//! A Rule that asks for more is not in force at all, and its last valid version neither: what a namespace was once allowed,
//! or a controller with other settings let through, must not be served on for being refused.

use std::collections::BTreeMap;

use sluicegate_crds::status::Reason;
use sluicegate_table::Hostname;

use super::faults::{Fault, Problems, shown};
use super::names;
use crate::config::HostnameClaim;
use crate::problem::FieldPath;

const HINT: &str = "who runs this installation says so in `hostnames` of the controller's configuration";

/// Who may claim which host names. The default: any namespace may claim any.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// `None`: nothing is said, so everything is anyone's.
    by_namespace: Option<BTreeMap<String, Granted>>,
}

/// What one namespace may claim.
#[derive(Clone, Debug, Default)]
struct Granted {
    /// Every host name, and Rules without any.
    everything: bool,
    hostnames: Vec<Hostname>,
}

/// A host name of a claim is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hostnames[{claim}].hostnames[{position}]: {message}")]
pub struct NotAHostname {
    claim: usize,
    position: usize,
    message: String,
}

impl Claims {
    /// The claims of an installation's configuration; none: any namespace may claim any host name.
    pub fn new(configured: &[HostnameClaim]) -> Result<Self, NotAHostname> {
        if configured.is_empty() {
            return Ok(Self::default());
        }
        let mut by_namespace: BTreeMap<String, Granted> = BTreeMap::new();
        for (claim, HostnameClaim { namespaces, hostnames }) in configured.iter().enumerate() {
            for (position, text) in hostnames.iter().enumerate() {
                let hostname = match text.as_str() {
                    "*" => None,
                    text => Some(names::hostname(text).map_err(|fault| NotAHostname {
                        claim,
                        position,
                        message: fault.message().to_owned(),
                    })?),
                };
                for namespace in namespaces {
                    let granted = by_namespace.entry(namespace.clone()).or_default();
                    granted.everything |= hostname.is_none();
                    granted.hostnames.extend(hostname.clone());
                }
            }
        }
        Ok(Self { by_namespace: Some(by_namespace) })
    }

    /// Refuses what a Rule of this namespace may not claim; whether there is anything.
    pub(super) fn check(
        &self,
        namespace: &str,
        hostnames: &[(FieldPath, Hostname)],
        field: &FieldPath,
        problems: &mut Problems,
    ) -> bool {
        let Some(by_namespace) = &self.by_namespace else { return false };
        let mine = by_namespace.get(namespace);
        if mine.is_some_and(|granted| granted.everything) {
            return false;
        }
        if hostnames.is_empty() {
            let message = format!("the namespace {namespace} may not have Rules for every host");
            let fault = Fault::invalid(format!("{message}: {}", others(by_namespace, |granted| granted.everything)));
            problems.refuse_because(field, Reason::HostnameNotPermitted, fault.hint("name the host names it serves"));
            return true;
        }
        let mut any = false;
        for (field, hostname) in hostnames {
            if mine.is_some_and(|granted| granted.covers(hostname)) {
                continue;
            }
            any = true;
            let others = others(by_namespace, |granted| granted.everything || granted.covers(hostname));
            let message = format!(
                "the namespace {namespace} may not claim the host name {}: {others}",
                shown(&written(hostname))
            );
            problems.refuse_because(field, Reason::HostnameNotPermitted, Fault::invalid(message).hint(HINT));
        }
        any
    }
}

impl Granted {
    fn covers(&self, asked: &Hostname) -> bool {
        self.hostnames.iter().any(|granted| covers(granted, asked))
    }
}

/// Whether every name that `asked` stands for is one that `granted` stands for.
fn covers(granted: &Hostname, asked: &Hostname) -> bool {
    match (granted, asked) {
        (Hostname::Exact(granted), Hostname::Exact(asked)) => granted == asked,
        (Hostname::Exact(_), Hostname::Wildcard(_)) => false,
        (Hostname::Wildcard(granted), Hostname::Exact(asked)) => is_below(asked, granted),
        (Hostname::Wildcard(granted), Hostname::Wildcard(asked)) => asked == granted || is_below(asked, granted),
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|labels| labels.ends_with('.'))
}

fn written(hostname: &Hostname) -> String {
    match hostname {
        Hostname::Exact(name) => name.clone(),
        Hostname::Wildcard(parent) => format!("*.{parent}"),
    }
}

/// Who may.
fn others(by_namespace: &BTreeMap<String, Granted>, may: impl Fn(&Granted) -> bool) -> String {
    let names: Vec<&str> =
        by_namespace.iter().filter(|(_, granted)| may(granted)).map(|(name, _)| name.as_str()).collect();
    match names.as_slice() {
        [] => "no namespace may".to_owned(),
        [only] => format!("only the namespace {only} may"),
        names => format!("only the namespaces {} may", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::{Claims, covers};
    use crate::compile::names::hostname;
    use crate::config::HostnameClaim;

    #[test]
    fn a_wildcard_covers_what_is_below_it() {
        for (granted, asked, expected) in [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "b.a.example.com", false),
            ("a.example.com", "*.a.example.com", false),
            ("*.a.example.com", "b.a.example.com", true),
            ("*.a.example.com", "c.b.a.example.com", true),
            ("*.a.example.com", "*.a.example.com", true),
            ("*.a.example.com", "*.b.a.example.com", true),
            ("*.a.example.com", "a.example.com", false),
            ("*.a.example.com", "ba.example.com", false),
            ("*.a.example.com", "*.example.com", false),
            ("*.a.example.com", "*.ba.example.com", false),
            ("*.A.example.com", "B.a.example.com", true),
        ] {
            let (granted, asked) = (hostname(granted).unwrap(), hostname(asked).unwrap());
            assert_eq!(covers(&granted, &asked), expected, "{granted:?} {asked:?}");
        }
    }

    #[test]
    fn a_claim_of_no_host_name_is_refused_with_its_place() {
        let claim = |hostname: &str| HostnameClaim {
            namespaces: vec!["team-a".to_owned()],
            hostnames: vec!["*".to_owned(), hostname.to_owned()],
        };
        let refusal = Claims::new(&[claim("a.example.com"), claim("a b")]).unwrap_err().to_string();
        assert!(refusal.starts_with("hostnames[1].hostnames[1]: `a b` is no host name"), "{refusal}");
    }
}
