//! What becomes of header fields on the way to the target and back.
//!
//! The order on the way to the target is: [`strip_request`] (one pass that takes off what is for this hop only and notes
//! what the other steps need to know), [`ForwardedFacts::apply`], the Rule's [`HeaderRewrite`], the Target's
//! [`HeaderRewrite`]. On the way back: [`strip_response`], and [`strip_trailers`] for trailers either way. What is not
//! there costs nothing: each step is guided by what the one pass saw.

mod forwarded;
mod hop_by_hop;
mod protocols;
mod rewrite;

pub use forwarded::{ForwardedFacts, ForwardingPolicy, TrustedProxies};
pub(crate) use hop_by_hop::members_of;
pub use hop_by_hop::{RefusedHead, RequestHead, strip_request, strip_response, strip_trailers};
pub(crate) use protocols::Protocols;
pub use rewrite::{HeaderRewrite, UnusableHeaders};
