//! The health of endpoints: what active checks, real answers and circuit breakers find, in one state that every worker and
//! every rule sees at once.

mod check_state;
pub(crate) mod checks;
mod endpoint;
mod member;
pub(crate) mod monitor;
mod outcome;
mod probe;
mod shared;
mod view;

pub use check_state::{CheckState, CheckStatus};
pub use endpoint::EndpointHealth;
pub use member::MemberHealth;
pub(crate) use member::of_members;
pub use monitor::{Finding, Findings, Found};
pub use outcome::Outcome;
pub use probe::Probe;
pub use shared::{Changes, Shared};
pub use view::View;
