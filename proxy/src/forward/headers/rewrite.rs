//! Header changes that Rules and Targets ask for, ready to be applied.

use std::fmt;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, Entry, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use sluicegate_table::{HeaderEdits, Target};

/// Header changes in the order remove, set, add. Built once per version of the table; an empty one does nothing.
#[derive(Clone, Default)]
pub struct HeaderRewrite {
    remove: Box<[HeaderName]>,
    set: Box<[(HeaderName, HeaderValue)]>,
    add: Box<[(HeaderName, HeaderValue)]>,
}

/// Why header changes cannot be applied. No variant holds a value: it might be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHeaders {
    /// Not a header field's name.
    #[error("`{0}` is not a header name")]
    Name(String),
    /// A value with control characters.
    #[error("the value for header `{0}` holds characters that a header may not")]
    Value(String),
    /// A field that frames the message or belongs to one connection.
    #[error("header `{0}` belongs to the connection and cannot be changed")]
    Connection(HeaderName),
    /// The credential's Secret is missing: nothing may be sent.
    #[error("the value of the credential in header `{0}` is missing")]
    NoCredential(String),
}

impl HeaderRewrite {
    /// A Rule's changes.
    pub fn for_route(edits: &HeaderEdits) -> Result<Self, UnusableHeaders> {
        Ok(Self {
            remove: edits.remove.iter().map(|name| removable(name)).collect::<Result<_, _>>()?,
            set: edits.set.iter().map(|(name, value)| field(name, value)).collect::<Result<_, _>>()?,
            add: edits.add.iter().map(|(name, value)| field(name, value)).collect::<Result<_, _>>()?,
        })
    }

    /// A Target's headers and, after them, its credential, which replaces what the client sent under that name.
    pub fn for_target(target: &Target) -> Result<Self, UnusableHeaders> {
        let mut set = target.headers.iter().map(|(name, value)| field(name, value)).collect::<Result<Vec<_>, _>>()?;
        if let Some(credential) = &target.credential {
            let name = &credential.header;
            let secret = credential.value.as_ref().ok_or_else(|| UnusableHeaders::NoCredential(name.clone()))?;
            let (name, mut value) = field(name, secret.reveal())?;
            value.set_sensitive(true);
            set.push((name, value));
        }
        // The last one of a name is what the target gets; with one of each name, what they replace is the client's.
        let names: Vec<HeaderName> = set.iter().map(|(name, _)| name.clone()).collect();
        let mut at = 0;
        set.retain(|(name, _)| {
            at += 1;
            !names.get(at..).unwrap_or_default().contains(name)
        });
        Ok(Self { set: set.into(), ..Self::default() })
    }

    /// Applies the changes.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }

    /// Applies a Target's changes, and gives what [`Self::take_back`] needs. Costs no more than [`Self::apply`] where they
    /// replace nothing.
    pub(crate) fn apply_for_now(&self, headers: &mut HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let mut replaced = Vec::new();
        for (name, value) in &self.set {
            match headers.entry(name) {
                Entry::Vacant(field) => {
                    field.insert(value.clone());
                }
                Entry::Occupied(mut field) => {
                    replaced.extend(field.insert_mult(value.clone()).map(|value| (name.clone(), value)));
                }
            }
        }
        replaced
    }

    /// Makes headers what they were before [`Self::apply_for_now`]: what one Target gets, another must never see.
    pub(crate) fn take_back(&self, headers: &mut HeaderMap, replaced: Vec<(HeaderName, HeaderValue)>) {
        for (name, _) in &self.set {
            headers.remove(name);
        }
        for (name, value) in replaced {
            headers.append(name, value);
        }
    }

    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// The host that targets are told instead of their own, where the changes set one.
    pub fn host(&self) -> Option<&HeaderValue> {
        self.set.iter().rev().find(|(name, _)| *name == HOST).map(|(_, value)| value)
    }
}

impl fmt::Debug for HeaderRewrite {
    /// Names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            |fields: &[(HeaderName, HeaderValue)]| fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("HeaderRewrite")
            .field("remove", &self.remove)
            .field("set", &names(&self.set))
            .field("add", &names(&self.add))
            .finish()
    }
}

fn field(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), UnusableHeaders> {
    let value = HeaderValue::from_str(value).map_err(|_| UnusableHeaders::Value(name.to_owned()))?;
    Ok((changeable(name)?, value))
}

/// A name that may be changed. Fields of the connection are not: a wrong `Content-Length` or `Transfer-Encoding` would
/// let the target see requests where the client sent none.
fn changeable(name: &str) -> Result<HeaderName, UnusableHeaders> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| UnusableHeaders::Name(name.to_owned()))?;
    let of_the_connection = [CONNECTION, CONTENT_LENGTH, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE]
        .contains(&name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings");
    if of_the_connection { Err(UnusableHeaders::Connection(name)) } else { Ok(name) }
}

/// A name that may be taken off. A request cannot be without a host.
fn removable(name: &str) -> Result<HeaderName, UnusableHeaders> {
    let name = changeable(name)?;
    if name == HOST { Err(UnusableHeaders::Connection(name)) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use sluicegate_table::{Credential, Protocol, SecretText};

    use super::*;

    fn target(credential: Option<Credential>) -> Target {
        Target {
            headers: vec![("anthropic-version".into(), "2023-06-01".into())],
            credential,
            ..Target::new("api.example.com", 443, Protocol::Https)
        }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn map(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn removes_then_sets_then_adds() {
        let edits = HeaderEdits {
            remove: vec!["x-debug".into(), "x-env".into()],
            set: pairs(&[("x-env", "prod")]),
            add: pairs(&[("x-env", "eu"), ("accept", "text/plain")]),
        };
        let rewrite = HeaderRewrite::for_route(&edits).unwrap();
        let mut headers = map(&[("x-debug", "1"), ("x-env", "a"), ("accept", "text/html")]);
        rewrite.apply(&mut headers);
        let all = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert!(all("x-debug").is_empty());
        assert_eq!(all("x-env"), ["prod", "eu"]);
        assert_eq!(all("accept"), ["text/html", "text/plain"]);
    }

    #[test]
    fn nothing_to_change_is_empty() {
        let rewrite = HeaderRewrite::for_route(&HeaderEdits::default()).unwrap();
        assert!(rewrite.is_empty());
        let mut headers = map(&[("accept", "*/*")]);
        rewrite.apply(&mut headers);
        assert_eq!(headers, map(&[("accept", "*/*")]));
    }

    #[test]
    fn fields_of_the_connection_and_nonsense_are_refused() {
        let names = [
            "connection",
            "content-length",
            "expect",
            "http2-settings",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        for name in names {
            let edits = HeaderEdits { set: pairs(&[(name, "1")]), ..HeaderEdits::default() };
            assert!(matches!(HeaderRewrite::for_route(&edits), Err(UnusableHeaders::Connection(_))), "{name}");
            let edits = HeaderEdits { remove: vec![name.into()], ..HeaderEdits::default() };
            assert!(matches!(HeaderRewrite::for_route(&edits), Err(UnusableHeaders::Connection(_))), "{name}");
        }
        let edits = HeaderEdits { remove: vec!["host".into()], ..HeaderEdits::default() };
        assert!(matches!(HeaderRewrite::for_route(&edits), Err(UnusableHeaders::Connection(_))));
        let edits = HeaderEdits { set: pairs(&[("no name", "1")]), ..HeaderEdits::default() };
        assert_eq!(HeaderRewrite::for_route(&edits).unwrap_err(), UnusableHeaders::Name("no name".into()));
        let edits = HeaderEdits { set: pairs(&[("x-a", "1\r\nx-b: 2")]), ..HeaderEdits::default() };
        assert_eq!(HeaderRewrite::for_route(&edits).unwrap_err(), UnusableHeaders::Value("x-a".into()));
    }

    #[test]
    fn a_credential_replaces_the_clients_and_stays_hidden() {
        let credential = Credential { header: "authorization".into(), value: Some(SecretText::new("Bearer hush")) };
        let rewrite = HeaderRewrite::for_target(&target(Some(credential))).unwrap();
        let mut headers = map(&[("authorization", "Bearer mine")]);
        rewrite.apply(&mut headers);
        assert_eq!(headers["authorization"], "Bearer hush");
        assert_eq!(headers["anthropic-version"], "2023-06-01");
        assert!(headers["authorization"].is_sensitive());
        assert!(!format!("{rewrite:?} {headers:?}").contains("hush"));
    }

    #[test]
    fn what_a_target_gets_is_taken_back_and_what_it_replaced_is_there_again() {
        let credential = Credential { header: "authorization".into(), value: Some(SecretText::new("Bearer hush")) };
        let mut target = target(Some(credential));
        target.headers.push(("authorization".into(), "Bearer early".into()));
        let rewrite = HeaderRewrite::for_target(&target).unwrap();
        let mut headers = map(&[("authorization", "Bearer mine"), ("accept", "*/*")]);
        headers.append("authorization", HeaderValue::from_static("Bearer mine, too"));
        let before = headers.clone();
        let replaced = rewrite.apply_for_now(&mut headers);
        assert_eq!(headers.get_all("authorization").iter().collect::<Vec<_>>(), ["Bearer hush"]);
        assert_eq!(headers["anthropic-version"], "2023-06-01");
        rewrite.take_back(&mut headers, replaced);
        assert_eq!(headers, before);
    }

    #[test]
    fn without_the_credentials_value_there_are_no_headers_at_all() {
        let credential = Credential { header: "authorization".into(), value: None };
        let refused = HeaderRewrite::for_target(&target(Some(credential))).unwrap_err();
        assert_eq!(refused, UnusableHeaders::NoCredential("authorization".into()));
        let credential = Credential { header: "authorization".into(), value: Some(SecretText::new("hu\nsh")) };
        let refused = HeaderRewrite::for_target(&target(Some(credential))).unwrap_err();
        assert!(!refused.to_string().contains("sh`"), "{refused}");
        assert_eq!(refused, UnusableHeaders::Value("authorization".into()));
    }

    #[test]
    fn the_last_host_that_is_set_wins() {
        let edits =
            HeaderEdits { set: pairs(&[("host", "a.example"), ("host", "b.example")]), ..HeaderEdits::default() };
        assert_eq!(HeaderRewrite::for_route(&edits).unwrap().host().unwrap(), "b.example");
        assert!(HeaderRewrite::for_target(&target(None)).unwrap().host().is_none());
    }
}
