//! Scalars that people write as text, in manifests and in the configuration alike: durations (`1m30s`) and sizes (`10Mi`).
//!
//! They stand here because both the kinds and the proxy read them, and neither may depend on the other; the kinds wrap
//! them in types with a schema.
//!
//! Durations have the grammar of GEP-2257, made stricter where its freedom has no use: units go from large to small, each
//! at most once, and the whole is above zero. A zero would have to mean "none" for one field and "at once" for another;
//! leaving the field out says the first, and nothing needs the second. Of the grammar of Kubernetes' quantities only whole
//! numbers of bytes remain: no fractions, exponents or `m`.

use std::fmt::Write as _;
use std::time::Duration;

use thiserror::Error;

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no duration above zero: write it as 15s, 1m30s or 100ms")]
pub struct NotADuration(pub String);

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no size: write it as 512, 64Ki or 10Mi")]
pub struct NotASize(pub String);

/// The units of durations from large to small: name, milliseconds, and the most digits of its number. So bounded, no sum
/// overflows and every sum can be written again.
const DURATION_UNITS: [(&str, u64, u32); 4] = [("h", 3_600_000, 4), ("m", 60_000, 5), ("s", 1_000, 5), ("ms", 1, 5)];

/// The units of sizes from large to small: the largest that divides a size writes it shortest.
const SIZE_UNITS: [(&str, u64); 6] =
    [("Gi", 1 << 30), ("G", 1_000_000_000), ("Mi", 1 << 20), ("M", 1_000_000), ("Ki", 1 << 10), ("k", 1_000)];

/// Reads a duration: whole numbers with the units `h`, `m`, `s` and `ms`, each at most once and in this order, in all
/// above zero.
pub fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    let refused = || NotADuration(text.to_owned());
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = DURATION_UNITS.iter();
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, tail) = tail.split_at(tail.bytes().take_while(u8::is_ascii_alphabetic).count());
        let (_, millis, digits) = units.find(|(name, ..)| *name == unit).ok_or_else(refused)?;
        if number.len() > *digits as usize {
            return Err(refused());
        }
        total += number.parse::<u64>().map_err(|_| refused())? * millis;
        rest = tail;
    }
    if total == 0 { Err(refused()) } else { Ok(Duration::from_millis(total)) }
}

/// Writes a duration that [`parse_duration`] has read so that it reads it again.
pub fn format_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (unit, size, digits) in DURATION_UNITS {
        let size = u128::from(size);
        // No more digits than are read; what is left goes to the smaller units, as it was when it was read.
        let most = 10_u128.pow(digits) - 1;
        let number = (millis / size).min(most);
        if number > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{number}{unit}");
            millis -= number * size;
        }
    }
    text
}

/// Reads a size in bytes: a whole number of at most ten digits with the suffix `Ki`, `Mi`, `Gi`, `k`, `M`, `G` or none.
pub fn parse_size(text: &str) -> Result<u64, NotASize> {
    let (number, unit) = SIZE_UNITS
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or((text, 1));
    // Ten digits of the largest unit fit into 64 bits.
    let digits = (1..=10).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    number
        .parse::<u64>()
        .ok()
        .filter(|_| digits)
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| NotASize(text.to_owned()))
}

/// Writes a size so that [`parse_size`] reads it again.
pub fn format_size(bytes: u64) -> String {
    let whole = SIZE_UNITS.iter().find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| bytes.to_string(), |(suffix, unit)| format!("{}{suffix}", bytes / unit))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, millis) in
            [("15s", 15_000), ("1m30s", 90_000), ("100ms", 100), ("2h", 7_200_000), ("1h1m1s1ms", 3_661_001)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis));
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(parse_duration("90s").unwrap(), Duration::from_secs(90));
        for text in ["", "0s", "15", "s", "1.5s", "-1s", "1d", "1s1m", "1s1s", "123456s", "1 s", "١s"] {
            assert_eq!(parse_duration(text), Err(NotADuration(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64Ki", 65_536),
            ("10Mi", 10_485_760),
            ("1Gi", 1 << 30),
            ("3k", 3_000),
            ("5M", 5_000_000),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes);
            assert_eq!(format_size(bytes), text);
        }
        for text in ["", "Ki", "1.5Mi", "-1", "1KiB", "1ki", "12345678901", "1 Ki", "+1"] {
            assert_eq!(parse_size(text), Err(NotASize(text.to_owned())), "{text}");
        }
    }
}
