//! What another attempt is made from: the head as the client sent it, and the body.
//!
//! Many requests are kept and few are ever sent again, so keeping one has to be cheap: the header section is copied into one
//! piece of memory, which a `HeaderMap` is made of again only when it is needed. A `HeaderMap`'s own clone counts two
//! references for each field, and as many again when it is dropped.
//!
//! Each attempt begins with this copy. So no target gets what another one was to get, and picks see what the client sent,
//! not what the Rule or a Target made of it.

use http::header::HeaderMap;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::forward::upstream::{Kept, RequestBody};

/// What another attempt is made from.
#[derive(Debug)]
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    version: Version,
    fields: Fields,
    /// `None`: there is none.
    body: Option<Kept>,
}

impl Spare {
    /// Keeps a request. `head` is as the client sent it, apart from what was for this hop only.
    pub(super) fn of(head: &Parts, body: Option<Kept>) -> Box<Self> {
        let (method, uri) = (head.method.clone(), head.uri.clone());
        Box::new(Self { method, uri, version: head.version, fields: Fields::of(&head.headers), body })
    }

    /// The head; `None` is impossible.
    pub(super) fn head(&self) -> Option<Parts> {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = self.method.clone();
        head.uri = self.uri.clone();
        head.version = self.version;
        head.headers = self.fields.to_map()?;
        Some(head)
    }

    /// Whether [`Self::body`] would give the body.
    pub(super) fn is_whole(&self) -> bool {
        self.body.as_ref().is_none_or(Kept::is_whole)
    }

    /// The body from its beginning; `None`: it is not there any more.
    pub(super) fn body(&self) -> Option<RequestBody> {
        match &self.body {
            None => Some(RequestBody::empty()),
            Some(kept) => kept.read(),
        }
    }
}

/// A header section in one piece: of each field the lengths of name and value, then both.
struct Fields(Vec<u8>);

impl Fields {
    /// The mark of a value that must not be shown, in the length of a name. Names are shorter.
    const SENSITIVE: u32 = 1 << 31;
    /// What a usual field takes.
    const USUAL: usize = 64;

    fn of(headers: &HeaderMap) -> Self {
        let mut text = Vec::with_capacity(headers.len() * Self::USUAL);
        for (name, value) in headers {
            let (name, bytes) = (name.as_str(), value.as_bytes());
            let mark = if value.is_sensitive() { Self::SENSITIVE } else { 0 };
            // Both come from a head of bounded size.
            text.extend_from_slice(&(name.len() as u32 | mark).to_ne_bytes());
            text.extend_from_slice(&(bytes.len() as u32).to_ne_bytes());
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(bytes);
        }
        Self(text)
    }

    fn to_map(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        let mut rest = self.0.as_slice();
        while !rest.is_empty() {
            let (name, value);
            let (mark, length);
            (mark, rest) = number(rest)?;
            (length, rest) = number(rest)?;
            (name, rest) = rest.split_at_checked((mark & !Self::SENSITIVE) as usize)?;
            (value, rest) = rest.split_at_checked(length as usize)?;
            let mut value = HeaderValue::from_bytes(value).ok()?;
            value.set_sensitive(mark & Self::SENSITIVE != 0);
            headers.append(HeaderName::from_bytes(name).ok()?, value);
        }
        Some(headers)
    }
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = text.split_first_chunk()?;
    Some((u32::from_ne_bytes(*number), rest))
}

impl std::fmt::Debug for Fields {
    /// No values: there are credentials among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").field("bytes", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was() {
        let mut secret = HeaderValue::from_static("Bearer hush");
        secret.set_sensitive(true);
        let request = Request::put("http://test/a%20b?c=d")
            .version(Version::HTTP_2)
            .header("x-two", "1")
            .header("accept", "*/*")
            .header("x-two", "")
            .header("x-bytes", HeaderValue::from_bytes(b"\xe4\xf6").unwrap())
            .header("x-long", "l".repeat(70_000))
            .header("authorization", secret)
            .body(())
            .unwrap();
        let (head, ()) = request.into_parts();
        let spare = Spare::of(&head, None);
        for _ in 0..2 {
            let again = spare.head().unwrap();
            assert_eq!((&again.method, &again.uri, again.version), (&head.method, &head.uri, head.version));
            assert_eq!(again.headers, head.headers);
            let names = |headers: &HeaderMap| headers.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&again.headers), names(&head.headers), "in the same order");
            let sensitive = again.headers.values().filter(|value| value.is_sensitive()).count();
            assert_eq!(sensitive, 1);
        }
        assert!(!format!("{spare:?}").contains("hush"));
    }
}
