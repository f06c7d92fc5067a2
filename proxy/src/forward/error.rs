//! What can go wrong with an exchange, and the one place that turns it into an answer's reason.

use std::io;

use thiserror::Error;

use crate::answer::Reason;
use crate::forward::upstream::Http1Error;
use crate::tls::TargetTlsError;

/// Why an exchange with a target failed. Details are for the log; the client sees the [`Reason`] only.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// The target's name has no address.
    #[error("cannot resolve {host}: {message}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        message: String,
    },
    /// No address took the connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// Connecting took longer than `connections.connectTimeout`.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// TLS to the target cannot be set up.
    #[error("TLS: {0}")]
    TlsSettings(#[source] TargetTlsError),
    /// The egress proxy could not be reached, or ended a tunnel before it led anywhere.
    #[error("the egress proxy: {0}")]
    EgressProxy(#[source] Box<ForwardError>),
    /// The egress proxy refused to connect to the target.
    #[error("the egress proxy answered {0}")]
    EgressRefused(http::StatusCode),
    /// HTTP could not be begun on a new connection.
    #[error("cannot begin HTTP: {0}")]
    Handshake(#[source] hyper::Error),
    /// The exchange failed before an answer, over HTTP/1.1.
    #[error("{0}")]
    Http1(#[source] Http1Error),
    /// The exchange failed before an answer, over HTTP/2.
    #[error("{0}")]
    Http2(#[source] hyper::Error),
    /// The target switched to a protocol that the client did not ask for.
    #[error("a 101 for a protocol that the client did not ask for")]
    Switched,
    /// The target refused the request without doing anything with it (RFC 9113, 8.7).
    #[error("refused unprocessed: {error}")]
    Refused {
        /// What was received.
        #[source]
        error: hyper::Error,
        /// The target closes the connection in an orderly way, which says nothing against it.
        closing: bool,
    },
    /// All connections are in use and as many requests wait as may.
    #[error("connections.max and connections.maxPending are reached")]
    Overloaded,
    /// The answer's head did not come within `timeouts.request`.
    #[error("no answer within timeouts.request")]
    RequestTimeout,
    /// An attempt's answer's head did not come within `timeouts.perTry`.
    #[error("no answer within timeouts.perTry")]
    TryTimeout,
    /// The client's body stood still.
    #[error("the client's body stood still")]
    BodyStalled,
    /// The client's body is larger than `limits.requestBody`.
    #[error("the client's body is larger than limits.requestBody")]
    BodyTooLarge,
    /// The client's body could not be read.
    #[error("the client's body could not be read: {0}")]
    ClientBody(#[source] ClientBodyError),
    /// Something that the table should have made impossible.
    #[error("{0}")]
    Internal(&'static str),
}

/// What was received is not HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Why a client's body cannot be read to its end.
#[derive(Debug, Error)]
pub enum ClientBodyError {
    /// Reading failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The client closed the connection before the body's end.
    #[error("the connection was closed before the body's end")]
    BrokenOff,
    /// It is not one.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The request has been answered, and its connection serves something else or nothing.
    #[error("the request is over")]
    Over,
    /// Over HTTP/2.
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

impl ForwardError {
    /// Why an exchange failed over HTTP/2: whether the target has refused it unprocessed, by a `RST_STREAM` that says
    /// so or a GOAWAY for streams before it.
    pub(crate) fn of_http2(error: hyper::Error) -> Self {
        let http2 = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<h2::Error>());
        let Some(http2) = http2.filter(|http2| http2.is_remote()) else { return Self::Http2(error) };
        if http2.is_go_away() {
            let closing = http2.reason() == Some(h2::Reason::NO_ERROR);
            return Self::Refused { error, closing };
        }
        if http2.is_reset() && http2.reason() == Some(h2::Reason::REFUSED_STREAM) {
            return Self::Refused { error, closing: false };
        }
        Self::Http2(error)
    }

    /// Whether the target only closes its connection, which is no failure of it.
    pub(crate) fn is_closing(&self) -> bool {
        matches!(self, Self::Refused { closing: true, .. })
    }

    /// This error of the way to the egress proxy, rather than to the target.
    pub(crate) fn at_egress_proxy(self) -> Self {
        Self::EgressProxy(Box::new(self))
    }

    /// The reason that the client sees.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Resolve { .. } => Reason::DnsFailed,
            Self::Connect(_) | Self::Handshake(_) => Reason::UpstreamConnectFailed,
            Self::EgressProxy(_) | Self::EgressRefused(_) => Reason::EgressProxyFailed,
            Self::ConnectTimeout => Reason::ConnectTimeout,
            Self::Tls(_) | Self::TlsSettings(_) => Reason::UpstreamTlsFailed,
            Self::Http1(error) if error.is_malformed() => Reason::UpstreamProtocolError,
            Self::Http2(error) if error.is_parse() || is_malformed(error) => Reason::UpstreamProtocolError,
            Self::Http1(_) | Self::Http2(_) | Self::Refused { .. } => Reason::UpstreamReset,
            Self::Switched => Reason::UpgradeFailed,
            Self::Overloaded => Reason::Overloaded,
            Self::RequestTimeout | Self::TryTimeout => Reason::UpstreamTimeout,
            Self::BodyStalled => Reason::BodyTimeout,
            Self::BodyTooLarge => Reason::BodyTooLarge,
            Self::ClientBody(_) => Reason::InvalidRequest,
            Self::Internal(_) => Reason::InternalError,
        }
    }

    /// Whether nothing was sent because no connection came about: the request may go to another target.
    pub fn is_connect(&self) -> bool {
        matches!(
            self,
            Self::Resolve { .. }
                | Self::Connect(_)
                | Self::ConnectTimeout
                | Self::Tls(_)
                | Self::TlsSettings(_)
                | Self::EgressProxy(_)
                | Self::EgressRefused(_)
                | Self::Handshake(_)
        )
    }

    /// Whether no target did anything with the request, so that it may go to another one whatever it is: no connection came
    /// about, none was free, or the target refused it.
    pub fn was_never_sent(&self) -> bool {
        self.is_connect() || matches!(self, Self::Overloaded | Self::Refused { .. })
    }
}

/// Whether what came over HTTP/2 is none, so that this side gave it up.
fn is_malformed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source.and_then(|source| source.downcast_ref::<h2::Error>()).is_some_and(h2::Error::is_library)
}
