//! Scalars that users write as strings: durations (`1m30s`), sizes (`10Mi`) and percentages (`0.1`).
//!
//! They are parsed where they are read, so that no later stage meets a malformed one.

mod duration;
mod percent;
mod size;

pub use duration::{Duration, NotADuration};
pub use percent::{NotAPercent, Percent};
pub use size::{NotASize, Size};
