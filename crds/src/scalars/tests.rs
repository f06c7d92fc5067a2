//! Scalars: what each accepts, refuses and writes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use kube::core::cel::Validator;
use proptest::prelude::*;
use regex::Regex;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Duration, Multiplier, Percent, Size, Statuses};

fn schema<T: JsonSchema>() -> Value {
    T::json_schema(&mut schemars::SchemaGenerator::default()).to_value()
}

/// Whether the schema of `T` takes a text: its pattern, its bounds and its rules.
fn schema_takes<T: JsonSchema>(text: &str) -> bool {
    let schema = schema::<T>();
    let at_least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0)).unwrap();
    let at_most = usize::try_from(schema["maxLength"].as_u64().unwrap()).unwrap();
    (at_least..=at_most).contains(&text.len())
        && Regex::new(schema["pattern"].as_str().unwrap()).unwrap().is_match(text)
        && takes_by_rule(&schema, text)
}

/// Whether the rules of a schema take a text that its pattern takes.
fn takes_by_rule(schema: &Value, text: &str) -> bool {
    let rules = json!({"type": "string", "x-kubernetes-validations": schema["x-kubernetes-validations"]});
    schema["x-kubernetes-validations"].is_null() || Validator::new().validate(&rules, &json!(text), None).is_ok()
}

fn parses<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

fn reads<T: DeserializeOwned>(value: Value) -> bool {
    serde_json::from_value::<T>(value).is_ok()
}

/// What is read is written in a form that reads the same.
fn written_again<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    let once: T = text.parse().unwrap();
    let twice: T = once.to_string().parse().unwrap();
    assert_eq!(once, twice, "{text} was written as {once}");
}

#[test]
fn durations_are_read() {
    for (text, millis) in [
        ("15s", 15_000),
        ("1m30s", 90_000),
        ("100ms", 100),
        ("1h", 3_600_000),
        ("2h45m", 9_900_000),
        ("300s", 300_000),
        ("0h5m", 300_000),
        ("9999h99999m99999s99999ms", 9_999 * 3_600_000 + 99_999 * 60_000 + 99_999 * 1_000 + 99_999),
    ] {
        assert_eq!(text.parse::<Duration>().unwrap().get().as_millis(), millis, "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "", "15", "s", "1.5s", "-1s", "1s ", " 1s", "1d", "1S", "0s", "0h0m", "1s1m", "1s1s", "100000s", "10000h",
        "1µs",
    ] {
        assert!(!parses::<Duration>(text), "{text}");
        assert!(!schema_takes::<Duration>(text), "the schema takes {text}");
    }
    assert!(!reads::<Duration>(json!(15)), "a duration without a unit");
    let message = "1.5s".parse::<Duration>().unwrap_err().to_string();
    assert_eq!(message, "`1.5s` is no duration above zero: write it as 15s, 1m30s or 100ms");
}

#[test]
fn sizes_are_read() {
    for (text, bytes) in [
        ("0", 0),
        ("512", 512),
        ("64Ki", 65_536),
        ("10Mi", 10_485_760),
        ("1Gi", 1_073_741_824),
        ("10k", 10_000),
        ("10M", 10_000_000),
        ("2G", 2_000_000_000),
        ("9999999999Gi", 9_999_999_999 * 1_073_741_824),
    ] {
        assert_eq!(text.parse::<Size>().unwrap().bytes(), bytes, "{text}");
    }
    assert_eq!(serde_json::from_value::<Size>(json!(512)).unwrap().bytes(), 512, "a plain number needs no quotes");
}

#[test]
fn what_is_no_size_is_refused() {
    for text in ["", "Ki", "1.5Mi", "-1", "+1", "10MB", "10m", "10K", "1e3", "1 Mi", "10000000000", "1Ti"] {
        assert!(!parses::<Size>(text), "{text}");
        assert!(!schema_takes::<Size>(text), "the schema takes {text}");
    }
    assert!(!reads::<Size>(json!(-1)) && !reads::<Size>(json!(1.5)) && !reads::<Size>(json!(true)));
    let message = "10MB".parse::<Size>().unwrap_err().to_string();
    assert_eq!(message, "`10MB` is no size: write it as 512, 64Ki or 10Mi");
}

#[test]
fn percentages_are_read() {
    for (text, millionths) in [
        ("0", 0),
        ("10", 100_000),
        ("0.1", 1_000),
        ("0.0001", 1),
        ("99.9999", 999_999),
        ("100", 1_000_000),
        ("100.0", 1_000_000),
    ] {
        assert_eq!(text.parse::<Percent>().unwrap().millionths(), millionths, "{text}");
    }
    assert_eq!(serde_json::from_value::<Percent>(json!(10)).unwrap().millionths(), 100_000);
    assert_eq!(serde_json::to_value("10".parse::<Percent>().unwrap()).unwrap(), json!(10));
    assert_eq!(serde_json::to_value("0.5".parse::<Percent>().unwrap()).unwrap(), json!("0.5"));
}

#[test]
fn what_is_no_percentage_is_refused() {
    for text in ["", ".", "1.", ".5", "-1", "100.1", "101", "010", "1.00001", "10%", "1e1", " 1"] {
        assert!(!parses::<Percent>(text), "{text}");
        assert!(!schema_takes::<Percent>(text), "the schema takes {text}");
    }
    assert!(!reads::<Percent>(json!(101)) && !reads::<Percent>(json!(-1)) && !reads::<Percent>(json!(0.5)));
    let message = "10%".parse::<Percent>().unwrap_err().to_string();
    assert_eq!(message, "`10%` is no percentage: write a number from 0 to 100, such as 10 or \"0.1\"");
}

#[test]
fn statuses_are_read() {
    for (text, bounds) in [("503", (503, 503)), ("500-599", (500, 599)), ("100-100", (100, 100))] {
        assert_eq!(text.parse::<Statuses>().unwrap().bounds(), bounds, "{text}");
    }
    assert_eq!(serde_json::from_value::<Statuses>(json!(503)).unwrap().bounds(), (503, 503));
    assert_eq!(serde_json::to_value("503-503".parse::<Statuses>().unwrap()).unwrap(), json!("503"));
}

#[test]
fn what_is_no_status_is_refused() {
    for text in ["", "5xx", "50", "099", "600", "599-500", "500-", "-599", "500-600", "500 - 599", "+500", "1000"] {
        assert!(!parses::<Statuses>(text), "{text}");
        assert!(!schema_takes::<Statuses>(text), "the schema takes {text}");
    }
    assert!(!reads::<Statuses>(json!(600)) && !reads::<Statuses>(json!(-1)) && !reads::<Statuses>(json!(503.5)));
    let message = "5xx".parse::<Statuses>().unwrap_err().to_string();
    assert!(message.starts_with("`5xx` is no status from 100 to 599"), "{message}");
}

#[test]
fn multipliers_are_read() {
    for (text, thousandths) in [("1", 1_000), ("2", 2_000), ("1.5", 1_500), ("9.999", 9_999), ("10.0", 10_000)] {
        assert_eq!(text.parse::<Multiplier>().unwrap().thousandths(), thousandths, "{text}");
    }
    assert_eq!(serde_json::from_value::<Multiplier>(json!(2)).unwrap().thousandths(), 2_000);
    assert_eq!(serde_json::to_value("1.50".parse::<Multiplier>().unwrap()).unwrap(), json!("1.5"));
}

#[test]
fn what_is_no_multiplier_is_refused() {
    for text in ["", "0", "0.5", "1.", ".5", "10.1", "11", "1.0001", "-2", "2x"] {
        assert!(!parses::<Multiplier>(text), "{text}");
        assert!(!schema_takes::<Multiplier>(text), "the schema takes {text}");
    }
    assert!(!reads::<Multiplier>(json!(11)) && !reads::<Multiplier>(json!(0)) && !reads::<Multiplier>(json!(1.5)));
}

proptest! {
    #[test]
    fn durations_survive_writing(text in "([0-9]{1,4}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?([1-9][0-9]{0,4}ms)") {
        written_again::<Duration>(&text);
    }

    #[test]
    fn sizes_survive_writing(text in "[0-9]{1,10}(Ki|Mi|Gi|k|M|G)?") {
        written_again::<Size>(&text);
    }

    #[test]
    fn percentages_survive_writing(text in "[0-9]{1,2}(\\.[0-9]{1,4})?") {
        written_again::<Percent>(&text);
        let percent: Percent = text.parse().unwrap();
        let value = serde_json::to_value(percent).unwrap();
        prop_assert_eq!(serde_json::from_value::<Percent>(value).unwrap(), percent);
    }

    #[test]
    fn schema_and_parser_agree_on_durations(text in "[0-9hms]{0,8}|([0-9]{0,6}(h|m|s|ms)){0,5}") {
        prop_assert_eq!(parses::<Duration>(&text), schema_takes::<Duration>(&text), "{}", text);
    }

    #[test]
    fn schema_and_parser_agree_on_sizes(text in "[0-9KMGikm.]{0,6}|[0-9]{0,12}(Ki|Mi|Gi|k|M|G)?") {
        prop_assert_eq!(parses::<Size>(&text), schema_takes::<Size>(&text), "{}", text);
    }

    #[test]
    fn schema_and_parser_agree_on_percentages(text in "[0-9.]{0,9}|100(\\.0{0,5})?") {
        prop_assert_eq!(parses::<Percent>(&text), schema_takes::<Percent>(&text), "{}", text);
    }

    #[test]
    fn statuses_survive_writing(from in 100..600_u16, to in 100..600_u16) {
        written_again::<Statuses>(&format!("{}-{}", from.min(to), from.max(to)));
    }

    #[test]
    fn multipliers_survive_writing(text in "[1-9](\\.[0-9]{1,3})?") {
        written_again::<Multiplier>(&text);
    }

    #[test]
    fn schema_and_parser_agree_on_statuses(text in "[0-9-]{0,8}|[0-6][0-9]{2}-[0-6][0-9]{2}") {
        prop_assert_eq!(parses::<Statuses>(&text), schema_takes::<Statuses>(&text), "{}", text);
    }

    #[test]
    fn schema_and_parser_agree_on_multipliers(text in "[0-9.]{0,6}|10(\\.0{0,4})?") {
        prop_assert_eq!(parses::<Multiplier>(&text), schema_takes::<Multiplier>(&text), "{}", text);
    }
}
