//! How long an answer asks to be left alone: `Retry-After` (RFC 9110, 10.2.3), and what AI providers send for it.
//!
//! | header | who sends it | value |
//! | --- | --- | --- |
//! | `retry-after-ms` | OpenAI, Azure | milliseconds |
//! | `retry-after` | all | seconds, or a date |
//! | `x-ratelimit-reset-requests`, `x-ratelimit-reset-tokens` | OpenAI, Groq | `1s`, `6m0s`, `20ms` |
//! | `x-ratelimit-reset` | many | seconds, or seconds since the epoch |
//!
//! The first of these that can be read counts. Limits that are not used up reset, too: the ones that say nothing remains
//! go before those that do not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// Longer rests are taken for nonsense, such as a date in another unit.
const LONGEST: Duration = Duration::from_hours(24);

/// Numbers above this are seconds since the epoch, not from now (both are in use for `x-ratelimit-reset`).
const EPOCH_LIKE: f64 = 1e9;

/// What the answer asks for; only a 429 or 503 is asked.
pub(crate) fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    read(status, headers, SystemTime::now()).map(|rest| rest.min(LONGEST))
}

fn read(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = || seconds(text("retry-after-ms")?).map(|rest| rest / 1000);
    let plain = || {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        seconds(text).or_else(|| Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()))
    };
    let resets = || {
        // They are in every answer of some providers, and about the limit only in a 429.
        (status == StatusCode::TOO_MANY_REQUESTS).then(|| reset(&text, now)).flatten()
    };
    milliseconds().or_else(plain).or_else(resets)
}

/// The reset of the limit that is used up: the latest of those, else the earliest of all.
fn reset<'a>(text: &impl Fn(&str) -> Option<&'a str>, now: SystemTime) -> Option<Duration> {
    let limits = [
        ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"),
        ("x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"),
        ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ];
    let resets = || limits.into_iter().filter_map(|(reset, left)| Some((moment(text(reset)?, now)?, text(left))));
    let used_up = resets().filter(|(_, left)| *left == Some("0")).map(|(rest, _)| rest).max();
    used_up.or_else(|| resets().map(|(rest, _)| rest).min())
}

/// A time from now, in either way of writing it.
fn moment(text: &str, now: SystemTime) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(number) if number > EPOCH_LIKE => {
            let at = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(number).ok()?)?;
            Some(at.duration_since(now).unwrap_or_default())
        }
        Ok(_) => seconds(text),
        Err(_) => units(text),
    }
}

/// Seconds, with or without a fraction.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

/// `6m0s`, `1.5s`, `20ms`: numbers with their units.
fn units(mut text: &str) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    while !text.is_empty() {
        let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, rest) = text.split_at_checked(digits)?;
        let letters = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at_checked(letters)?;
        let number: f64 = number.parse().ok()?;
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
        text = rest;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderName;

    use super::*;

    /// 2015-10-21 07:28:00 GMT.
    const NOW: u64 = 1_445_412_480;

    fn asked(status: u16, fields: &[(&'static str, &str)]) -> Option<u128> {
        let headers =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        read(StatusCode::from_u16(status).unwrap(), &headers, UNIX_EPOCH + Duration::from_secs(NOW))
            .map(|rest| rest.as_millis())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(asked(503, &[("retry-after", "120")]), Some(120_000));
        assert_eq!(asked(429, &[("retry-after", " 0.5 ")]), Some(500));
        assert_eq!(asked(503, &[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")]), Some(30_000));
        assert_eq!(asked(503, &[("retry-after", "Wed, 21 Oct 2015 07:27:00 GMT")]), Some(0), "in the past");
        for nonsense in ["soon", "-1", "NaN", "inf", "1e400", ""] {
            assert_eq!(asked(503, &[("retry-after", nonsense)]), None, "{nonsense}");
        }
    }

    #[test]
    fn milliseconds_go_before_seconds() {
        assert_eq!(asked(429, &[("retry-after", "2"), ("retry-after-ms", "1250")]), Some(1250));
        assert_eq!(asked(429, &[("retry-after", "2"), ("retry-after-ms", "?")]), Some(2000));
    }

    #[test]
    fn the_limit_that_is_used_up_counts() {
        let both = [("x-ratelimit-reset-requests", "20ms"), ("x-ratelimit-reset-tokens", "6m0s")];
        assert_eq!(asked(429, &both), Some(20));
        assert_eq!(asked(503, &both), None, "a limit has nothing to do with it");
        let used_up = [both[0], both[1], ("x-ratelimit-remaining-tokens", "0")];
        assert_eq!(asked(429, &used_up), Some(360_000));
        assert_eq!(asked(429, &[("x-ratelimit-reset", "7")]), Some(7_000));
        assert_eq!(asked(429, &[("x-ratelimit-reset", "1445412490")]), Some(10_000));
        assert_eq!(asked(429, &[("x-ratelimit-reset-tokens", "3 weeks")]), None);
    }

    #[test]
    fn other_answers_ask_for_nothing_and_no_answer_for_too_much() {
        let headers = |value: &str| HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
        assert_eq!(retry_after(StatusCode::OK, &headers("1")), None);
        assert_eq!(retry_after(StatusCode::FOUND, &headers("1")), None);
        assert_eq!(retry_after(StatusCode::SERVICE_UNAVAILABLE, &headers("9999999999")), Some(LONGEST));
    }
}
