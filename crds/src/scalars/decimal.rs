//! Decimals as whole numbers of their smallest part: Kubernetes' conventions keep floating-point numbers out of APIs.

use std::fmt;

use serde::Serializer;

/// The text's number in units of its last possible decimal, of which there are `places`. Its whole part is `largest` or has
/// fewer digits. `None`: it is no such number.
pub(super) fn parse(text: &str, places: usize, largest: &str) -> Option<u32> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(decimals, places) || !(digits(whole, largest.len() - 1) || whole == largest) {
        return None;
    }
    format!("{whole}{decimals:0<places$}").parse().ok()
}

/// Writes it with as many decimals as it needs.
pub(super) fn write(f: &mut fmt::Formatter<'_>, number: u32, places: usize) -> fmt::Result {
    let text = format!("{number:0width$}", width = places + 1);
    let (whole, decimals) = text.split_at(text.len() - places);
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{decimals}") }
}

/// A number where it is whole, else its text.
pub(super) fn serialize<S: Serializer>(serializer: S, text: &impl fmt::Display) -> Result<S::Ok, S::Error> {
    let text = text.to_string();
    match text.parse() {
        Ok(whole) => serializer.serialize_u32(whole),
        Err(_) => serializer.serialize_str(&text),
    }
}
