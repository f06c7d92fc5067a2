//! The health of endpoints: what active checks, real answers and circuit breakers find, in one state that every worker and
//! every rule sees at once.

mod outcome;
mod probe;

pub use outcome::Outcome;
pub use probe::Probe;
