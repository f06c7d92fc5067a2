//! Why a check failed.

use std::time::Duration;

use http::StatusCode;

use super::grpc_messages::ServingStatus;
use crate::forward::error::ForwardError;

/// Why a check failed, for the log. Holds nothing of an answer's body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckFailure {
    /// No connection came about.
    #[error("{0}")]
    NotConnected(#[from] ForwardError),
    /// There was no whole answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection broke, or what came was no HTTP.
    #[error("the connection broke: {0}")]
    Broken(#[source] hyper::Error),
    /// A status that does not mean health.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// A body that does not mean health.
    #[error("the first 64 KiB of its answer do not hold the expected text")]
    Body,
    /// It does not speak HTTP/2, without which there is no gRPC.
    #[error("it does not speak HTTP/2, which gRPC needs")]
    NoHttp2,
    /// The answer is no gRPC.
    #[error("its answer is not one of grpc.health.v1.Health")]
    NoGrpc,
    /// The call failed.
    #[error("it answered with the gRPC status {0}")]
    GrpcStatus(u32),
    /// The service says itself that it does not serve.
    #[error("it says {0}")]
    NotServing(ServingStatus),
    /// Something that the table should have made impossible.
    #[error("{0}")]
    Internal(&'static str),
}

/// What became of a check, as its metric names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CheckResult {
    /// It means health.
    Passed,
    /// No connection came about.
    NotConnected,
    /// There was no whole answer in time.
    TimedOut,
    /// The connection broke, or another protocol was spoken.
    Broken,
    /// The answer does not mean health.
    WrongAnswer,
}

impl CheckResult {
    /// Of a check that ended so.
    pub(crate) fn of(check: &Result<(), CheckFailure>) -> Self {
        match check {
            Ok(()) => Self::Passed,
            Err(CheckFailure::NotConnected(_) | CheckFailure::Internal(_)) => Self::NotConnected,
            Err(CheckFailure::TimedOut(_)) => Self::TimedOut,
            Err(CheckFailure::Broken(_) | CheckFailure::NoHttp2 | CheckFailure::NoGrpc) => Self::Broken,
            Err(
                CheckFailure::Status(_)
                | CheckFailure::Body
                | CheckFailure::GrpcStatus(_)
                | CheckFailure::NotServing(_),
            ) => Self::WrongAnswer,
        }
    }

    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Passed, Self::NotConnected, Self::TimedOut, Self::Broken, Self::WrongAnswer];

    /// The label's value.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotConnected => "not-connected",
            Self::TimedOut => "timed-out",
            Self::Broken => "broken",
            Self::WrongAnswer => "wrong-answer",
        }
    }
}
