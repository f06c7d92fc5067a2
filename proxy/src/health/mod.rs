//! The health of endpoints: what active checks, real answers and circuit breakers find, in one state that every worker and
//! every rule sees at once.

mod atomics;
mod breaker;
mod check_state;
pub(crate) mod checks;
mod ejection;
mod endpoint;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod generation;
mod member;
pub(crate) mod monitor;
mod outcome;
mod probe;
pub(crate) mod published;
mod ramp;
mod rest;
mod row;
mod shared;
mod state;
mod timetable;
mod verdict;
mod view;
mod window;

pub use check_state::{CheckState, CheckStatus};
pub use endpoint::EndpointHealth;
pub use member::MemberHealth;
pub(crate) use member::of_members;
pub use monitor::{Finding, Findings, Found};
pub use outcome::Outcome;
pub(crate) use probe::Place;
pub use probe::Probe;
pub use shared::{Changes, Shared};
pub use timetable::Timekeeper;
pub(crate) use verdict::{Judged, Judgement, Verdict};
pub use view::View;
