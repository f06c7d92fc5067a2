//! Why Sluicegate answered a request itself.
//!
//! One table holds everything about a reason: the word that the header, the metrics and the access log carry, the
//! status, the texts of the problem document and the gRPC status. The words are stable: dashboards and clients rely on
//! them. `docs/reasons.md` repeats the table and a test holds the two together.

use std::fmt;

use http::StatusCode;

/// The gRPC status codes in use, by the names and numbers of the gRPC specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GrpcStatus {
    /// `DEADLINE_EXCEEDED`.
    DeadlineExceeded = 4,
    /// `RESOURCE_EXHAUSTED`.
    ResourceExhausted = 8,
    /// `UNIMPLEMENTED`.
    Unimplemented = 12,
    /// `INTERNAL`.
    Internal = 13,
    /// `UNAVAILABLE`: clients may try again.
    Unavailable = 14,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident, $word:literal, $status:ident, $grpc:ident, $title:literal, $detail:literal;)+) => {
        /// Why Sluicegate, rather than a target, made an answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable word: the value of `x-sluicegate-reason`, and the label in metrics and access log.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The gRPC status. Where Envoy's mapping from the HTTP status says less than the reason does
            /// (a time limit, a size limit), the reason's own code wins.
            pub const fn grpc_status(self) -> GrpcStatus {
                match self { $(Self::$variant => GrpcStatus::$grpc,)+ }
            }

            /// A short summary for people, the same for every answer with this reason.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What happened and what to do, in a sentence that names no target and no address.
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$variant => $detail,)+ }
            }
        }
    };
}

reasons! {
    /// The request's path, host or header fields are malformed.
    InvalidRequest, "invalid-request", BAD_REQUEST, Internal, "Invalid request",
        "The request is malformed: its request line, host or a header field is not valid HTTP.";
    /// The message's length can be read in more than one way: a smuggling shape.
    AmbiguousFraming, "ambiguous-framing", BAD_REQUEST, Internal, "Ambiguous framing",
        "The request's length can be understood in more than one way. Send one Content-Length, or Transfer-Encoding: chunked, never both.";
    /// A JSON body names its model more than once.
    AmbiguousModel, "ambiguous-model", BAD_REQUEST, Internal, "Ambiguous model",
        "The request's JSON body names its model in more than one way. Name it once.";
    /// No Rule takes the request.
    NoRoute, "no-route", NOT_FOUND, Unimplemented, "No route",
        "No rule takes a request for this host and path with these properties.";
    /// Rules match but for their methods; `Allow` lists what they take.
    MethodNotAllowed, "method-not-allowed", METHOD_NOT_ALLOWED, Unimplemented, "Method not allowed",
        "Rules for this host and path take other methods only; the Allow header lists them.";
    /// The request's head did not arrive in time.
    HeaderTimeout, "header-timeout", REQUEST_TIMEOUT, DeadlineExceeded, "Header timeout",
        "The request's header fields did not arrive within the time limit.";
    /// The request's body stood still for too long.
    BodyTimeout, "body-timeout", REQUEST_TIMEOUT, DeadlineExceeded, "Body timeout",
        "The request's body did not arrive within the time limit.";
    /// The body is larger than allowed.
    BodyTooLarge, "body-too-large", PAYLOAD_TOO_LARGE, ResourceExhausted, "Body too large",
        "The request's body is larger than the limit.";
    /// The request target is longer than allowed.
    UriTooLong, "uri-too-long", URI_TOO_LONG, Internal, "URI too long",
        "The request's path and query are longer than the limit.";
    /// An expectation other than `100-continue`.
    ExpectationFailed, "expectation-failed", EXPECTATION_FAILED, Internal, "Expectation failed",
        "The only expectation that can be met is 100-continue.";
    /// The header fields are larger or more numerous than allowed.
    HeadersTooLarge, "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, ResourceExhausted, "Headers too large",
        "The request's header fields are larger or more numerous than the limit.";
    /// A fault of Sluicegate's own.
    InternalError, "internal-error", INTERNAL_SERVER_ERROR, Internal, "Internal error",
        "The proxy failed to handle the request. Its log says why.";
    /// A method or transfer coding that Sluicegate does not implement.
    NotImplemented, "not-implemented", NOT_IMPLEMENTED, Unimplemented, "Not implemented",
        "The request uses a method or a transfer coding that the proxy does not implement.";
    /// The target's name could not be resolved.
    DnsFailed, "dns-failed", BAD_GATEWAY, Unavailable, "Name resolution failed",
        "The target's host name could not be resolved.";
    /// The target did not accept a connection.
    UpstreamConnectFailed, "upstream-connect-failed", BAD_GATEWAY, Unavailable, "Upstream connection failed",
        "The target did not accept a connection.";
    /// TLS with the target failed: handshake, certificate or trust.
    UpstreamTlsFailed, "upstream-tls-failed", BAD_GATEWAY, Unavailable, "Upstream TLS failed",
        "No TLS connection to the target could be made, or its certificate is not trusted.";
    /// The forward proxy on the way to the target refused.
    EgressProxyFailed, "egress-proxy-failed", BAD_GATEWAY, Unavailable, "Egress proxy failed",
        "The forward proxy on the way to the target could not be used or refused to connect.";
    /// The target closed the connection before its answer was complete.
    UpstreamReset, "upstream-reset", BAD_GATEWAY, Unavailable, "Upstream reset",
        "The target closed the connection before it had answered.";
    /// The target's answer is not valid HTTP.
    UpstreamProtocolError, "upstream-protocol-error", BAD_GATEWAY, Unavailable, "Upstream protocol error",
        "The target's answer is not valid HTTP.";
    /// The target agreed to an upgrade that then failed, or to another one than was asked for.
    UpgradeFailed, "upgrade-failed", BAD_GATEWAY, Unavailable, "Upgrade failed",
        "The connection could not be switched to the protocol that was asked for, or the target switched to another.";
    /// No target of the pool may get requests.
    NoHealthyTarget, "no-healthy-target", SERVICE_UNAVAILABLE, Unavailable, "No healthy target",
        "None of the targets for this request can take requests at the moment.";
    /// Circuit breakers are open.
    CircuitOpen, "circuit-open", SERVICE_UNAVAILABLE, Unavailable, "Circuit open",
        "The targets for this request have failed too often and get no requests for a while.";
    /// The targets asked for a rest.
    TargetsResting, "targets-resting", SERVICE_UNAVAILABLE, Unavailable, "Targets resting",
        "The targets for this request asked not to be sent requests for a while.";
    /// Connections and the queue for them are full.
    Overloaded, "overloaded", SERVICE_UNAVAILABLE, Unavailable, "Overloaded",
        "Too many requests are waiting for the targets.";
    /// The matched Rule refers to something that is missing or refused.
    InvalidConfiguration, "invalid-configuration", SERVICE_UNAVAILABLE, Unavailable, "Invalid configuration",
        "The rule for this request refers to something that is missing or invalid. The rule's status says what.";
    /// Connecting to the target took too long.
    ConnectTimeout, "connect-timeout", GATEWAY_TIMEOUT, Unavailable, "Connect timeout",
        "No connection to the target could be made within the time limit.";
    /// The target's answer did not come in time.
    UpstreamTimeout, "upstream-timeout", GATEWAY_TIMEOUT, DeadlineExceeded, "Upstream timeout",
        "The target did not answer within the time limit.";
}

impl Reason {
    /// Whether an HTTP/1 connection must close after this answer, because where the next request would begin is not
    /// known or the client cannot be trusted to say.
    pub const fn closes_connection(self) -> bool {
        matches!(
            self,
            Self::InvalidRequest
                | Self::AmbiguousFraming
                | Self::HeaderTimeout
                | Self::BodyTimeout
                | Self::BodyTooLarge
                | Self::UriTooLong
                | Self::HeadersTooLarge
                | Self::NotImplemented
        )
    }

    /// After how many seconds it is worth trying again, where that is known to pass by itself (`Retry-After`).
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::NoHealthyTarget | Self::CircuitOpen | Self::TargetsResting | Self::Overloaded => Some(1),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
