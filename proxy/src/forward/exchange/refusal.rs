//! Why a request is answered by us, and with what.

use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response};

use super::answer_body::AnswerBody;
use super::record::Record;
use crate::answer::{FALLBACK_HEADER, Form, REASON_HEADER, Reason, answer, method_not_allowed};
use crate::forward::error::ForwardError;
use crate::observe::metrics::FallbackKind;
use crate::pick::NoUsableTarget;

/// Why a request is answered by us.
#[derive(Debug)]
pub(super) enum Refusal {
    Reason(Reason),
    Methods(Vec<String>),
    /// All targets asked to be left alone for so long.
    Resting(Duration),
    /// What the pool says is to be answered while circuit breakers are open.
    StandsIn(Box<StandsIn>),
}

/// An answer in place of a target's.
#[derive(Debug)]
pub(super) struct StandsIn {
    pub(super) kind: FallbackKind,
    pub(super) answer: Response<Bytes>,
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl From<ForwardError> for Refusal {
    fn from(error: ForwardError) -> Self {
        Self::Reason(error.reason())
    }
}

impl From<NoUsableTarget> for Refusal {
    fn from(none: NoUsableTarget) -> Self {
        match none {
            NoUsableTarget::None => Self::Reason(Reason::NoHealthyTarget),
            NoUsableTarget::Open => Self::Reason(Reason::CircuitOpen),
            NoUsableTarget::Resting(rest) => Self::Resting(rest),
        }
    }
}

impl Refusal {
    #[cold]
    pub(super) fn answer(self, form: Form, mut record: Record) -> Response<AnswerBody> {
        let (reason, response) = match self {
            Self::Reason(reason) => (reason, answer(form, reason)),
            Self::Methods(methods) => {
                (Reason::MethodNotAllowed, method_not_allowed(form, methods.iter().map(String::as_str)))
            }
            Self::Resting(rest) => {
                let mut response = answer(form, Reason::TargetsResting);
                // A part of a second counts whole: coming back early is what was asked not to be done.
                let seconds = rest.as_secs() + u64::from(rest.subsec_nanos() > 0);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
                (Reason::TargetsResting, response)
            }
            // A client of gRPC reads no answer that is not gRPC's, so that none stands in for one.
            Self::StandsIn(_) if form == Form::Grpc => (Reason::CircuitOpen, answer(form, Reason::CircuitOpen)),
            Self::StandsIn(stands_in) => (Reason::CircuitOpen, stands_in.answer(form, &record)),
        };
        record.refused(response.status(), reason);
        response.map(|body| AnswerBody::full(body, record))
    }
}

impl StandsIn {
    fn answer(self, form: Form, record: &Record) -> Response<Bytes> {
        record.count(|shard| shard.fell_back(self.kind));
        let mut response = self.answer;
        if form == Form::Http2Head {
            response = response.map(|_| Bytes::new());
        }
        let headers = response.headers_mut();
        headers.insert(FALLBACK_HEADER, HeaderValue::from_static(self.kind.word()));
        if self.kind == FallbackKind::Response {
            headers.insert(REASON_HEADER, HeaderValue::from_static(Reason::CircuitOpen.word()));
        }
        response
    }
}
