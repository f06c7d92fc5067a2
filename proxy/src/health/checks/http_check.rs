//! HTTP checks: a request, and the answers that mean health.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use memchr::memmem::Finder;
use sluicegate_table::{HttpProbe, Protocol, StatusRange};

use super::connection::Connection;
use super::failure::CheckFailure;
use super::subject::Subject;
use crate::forward::upstream::authority;

/// The most of a body that is read.
const MOST_READ: usize = 64 * 1024;
/// Who asks, unless the check's headers say otherwise.
pub(super) const ASKING: HeaderValue = HeaderValue::from_static("sluicegate-health-check");

const UNUSABLE: &str = "the check's request cannot be written";

/// The request of an HTTP check and what is expected of its answer.
pub(super) struct HttpQuestion {
    method: Method,
    /// In absolute form.
    uri: Uri,
    /// In the form that HTTP/1.1 takes.
    target: Uri,
    headers: HeaderMap,
    statuses: Vec<StatusRange>,
    text: Option<Finder<'static>>,
}

/// What an answer comes to.
pub(super) struct Judged {
    pub(super) verdict: Result<(), CheckFailure>,
    pub(super) then: Then,
}

/// What becomes of the connection after an answer.
pub(super) enum Then {
    /// It is closed.
    Close,
    /// It takes the next check.
    Keep,
    /// It takes the next check if this comes to its end before.
    Drain(Incoming),
}

impl HttpQuestion {
    pub(super) fn new(probe: &HttpProbe, subject: &Subject) -> Result<Self, &'static str> {
        let target = &subject.target;
        let authority = match &probe.host {
            Some(host) => host.parse::<Authority>().map_err(|_| UNUSABLE)?,
            None => authority(&target.host, target.port, target.protocol).ok_or(UNUSABLE)?.0,
        };
        let path: PathAndQuery = probe.path.parse().map_err(|_| UNUSABLE)?;
        let method: Method = probe.method.parse().map_err(|_| UNUSABLE)?;
        let mut headers = HeaderMap::new();
        if matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        headers.insert(HOST, HeaderValue::try_from(authority.as_str()).map_err(|_| UNUSABLE)?);
        headers.insert(USER_AGENT, ASKING);
        // A name may come several times, but takes the place of what is there without the check's saying so.
        let named = probe.headers.iter().map(|(name, value)| Ok((name.parse()?, value.parse()?)));
        let named: Vec<(HeaderName, HeaderValue)> = named.collect::<Result<_, http::Error>>().map_err(|_| UNUSABLE)?;
        for (name, _) in &named {
            headers.remove(name);
        }
        for (name, value) in named {
            headers.append(name, value);
        }
        let scheme = if target.protocol == Protocol::Https { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(path.clone()).build();
        let uri = uri.map_err(|_| UNUSABLE)?;
        Ok(Self {
            method,
            target: if subject.absolute_form() { uri.clone() } else { Uri::from(path) },
            uri,
            headers,
            statuses: probe.expected_statuses.clone(),
            text: probe.expected_body.as_ref().map(|text| Finder::new(text).into_owned()),
        })
    }

    /// The request as it goes over a connection.
    pub(super) fn request(&self, http2: bool) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        if http2 {
            // The URI says it, and a second word could only differ from it.
            request.headers_mut().remove(HOST);
            *request.uri_mut() = self.uri.clone();
            *request.version_mut() = Version::HTTP_2;
        } else {
            *request.uri_mut() = self.target.clone();
        }
        request
    }

    /// Judges an answer, of whose body only as much is read as that needs.
    pub(super) async fn judge(&self, answer: Response<Incoming>, connection: &mut Connection) -> Judged {
        let (head, mut body) = answer.into_parts();
        if !self.statuses.iter().any(|range| range.contains(head.status.as_u16())) {
            return Judged { verdict: Err(CheckFailure::Status(head.status)), then: Then::Close };
        }
        let verdict = match &self.text {
            None => Ok(()),
            Some(text) => connection.during(find(text, &mut body)).await,
        };
        let then = match &verdict {
            Ok(()) if body.is_end_stream() => Then::Keep,
            Ok(()) => Then::Drain(body),
            Err(_) => Then::Close,
        };
        Judged { verdict, then }
    }
}

/// Looks for a text in the first [`MOST_READ`] bytes of a body, and reads no further than that takes.
async fn find(text: &Finder<'_>, body: &mut Incoming) -> Result<(), CheckFailure> {
    let mut read = Vec::new();
    loop {
        // It may have begun in what came before.
        let from = read.len().saturating_sub(text.needle().len());
        let data = match body.frame().await {
            None => return Err(CheckFailure::Body),
            Some(Err(error)) => return Err(CheckFailure::Broken(error)),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        read.extend_from_slice(&data);
        read.truncate(MOST_READ);
        if read.get(from..).is_some_and(|new| text.find(new).is_some()) {
            return Ok(());
        }
        if read.len() == MOST_READ {
            return Err(CheckFailure::Body);
        }
    }
}

/// Reads a body to its end; `false`: it has none within [`MOST_READ`] bytes.
pub(super) async fn drained(mut body: Incoming) -> bool {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > MOST_READ {
            return false;
        }
    }
    true
}
