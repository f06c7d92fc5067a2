//! Numbers that users write: counts above 0, percentages.

use super::faults::{Checked, Fault};

/// A count that must not be 0. `remedy`: what to write instead.
pub(super) fn above_zero(number: u32, remedy: &str) -> Checked<u32> {
    if number == 0 { Err(Fault::invalid("0 is no count here: it must be above 0").hint(remedy)) } else { Ok(number) }
}

/// A percentage of whole numbers.
pub(super) fn percentage(number: u8) -> Checked<u8> {
    if number > 100 {
        return Err(Fault::invalid(format!("{number} is no percentage")).hint("write a number from 0 to 100"));
    }
    Ok(number)
}
