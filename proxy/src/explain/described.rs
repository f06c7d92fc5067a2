//! A request as people describe it: a method, a URL, headers and a body.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use thiserror::Error;

/// A request to be explained. It has a `Host` header, as a client would send it.
#[derive(Clone, Debug)]
pub struct DescribedRequest {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) headers: HeaderMap,
    pub(super) content_length: Option<u64>,
    pub(super) body: Bytes,
    pub(super) client_ip: IpAddr,
}

/// Why a description is no request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DescribeError {
    /// Not a method.
    #[error("`{0}` is no HTTP method")]
    Method(String),
    /// Not a URL.
    #[error("`{0}` is no URL: write it as http://host/path?query, or as /path with a Host header")]
    Url(String),
    /// Not a header.
    #[error("`{0}` is no header: write it as `Name: value`")]
    Header(String),
    /// Neither the URL nor a `Host` header names a host.
    #[error("the request has no host: write the URL as http://host/path, or add a Host header")]
    NoHost,
    /// Not a length.
    #[error("`{0}` is no Content-Length")]
    ContentLength(String),
}

impl DescribedRequest {
    /// The request of these parts. The length of `body` counts as its `Content-Length`, unless `headers` say otherwise.
    pub fn new<'h>(
        method: &str,
        url: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        body: impl Into<Bytes>,
        client_ip: IpAddr,
    ) -> Result<Self, DescribeError> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| DescribeError::Method(method.to_owned()))?;
        let url = read_url(url)?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let refused = || DescribeError::Header(format!("{name}: {value}"));
            let name = HeaderName::try_from(name).map_err(|_| refused())?;
            map.append(name, HeaderValue::try_from(value).map_err(|_| refused())?);
        }
        if let Some(authority) = url.authority() {
            let host = HeaderValue::try_from(authority.as_str()).map_err(|_| DescribeError::NoHost)?;
            map.entry(HOST).or_insert(host);
        } else if !map.contains_key(HOST) {
            return Err(DescribeError::NoHost);
        }
        let body = body.into();
        let content_length = match map.get(CONTENT_LENGTH) {
            _ if map.contains_key(TRANSFER_ENCODING) => None,
            Some(length) => Some(read_length(length)?),
            None => Some(body.len() as u64),
        };
        Ok(Self { method, url, headers: map, content_length, body, client_ip })
    }

    /// Splits `Name: value`.
    pub fn header(text: &str) -> Result<(&str, &str), DescribeError> {
        let (name, value) = text.split_once(':').ok_or_else(|| DescribeError::Header(text.to_owned()))?;
        Ok((name.trim(), value.trim()))
    }

    /// The host as the client would name it.
    pub(super) fn host(&self) -> &str {
        let field = self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        self.url.authority().map_or(field, |authority| authority.as_str())
    }

    pub(super) fn tls(&self) -> bool {
        self.url.scheme() == Some(&Scheme::HTTPS)
    }
}

fn read_url(text: &str) -> Result<Uri, DescribeError> {
    let refused = || DescribeError::Url(text.to_owned());
    let url: Uri = text.parse().map_err(|_| refused())?;
    match url.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => Ok(url),
        None if text.starts_with('/') => Ok(url),
        _ => Err(refused()),
    }
}

fn read_length(value: &HeaderValue) -> Result<u64, DescribeError> {
    let text = value.to_str().ok();
    let refused = || DescribeError::ContentLength(String::from_utf8_lossy(value.as_bytes()).into_owned());
    text.and_then(|text| text.parse().ok()).ok_or_else(refused)
}
