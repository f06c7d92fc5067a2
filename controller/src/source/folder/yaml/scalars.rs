//! What a scalar means to kubectl.
//!
//! kubectl and Helm read manifests with sigs.k8s.io/yaml, which follows YAML 1.1 as go-yaml v2 understands it: `NO` is
//! false, `010` is 8, `1_000` is 1000. A manifest must mean the same in a folder as in a cluster, so the same rules are
//! kept here, with their oddities; each is held by a row of the tests.

use std::fmt;

/// The value of a scalar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    /// `null`, `~` or nothing at all.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number that fits 64 bits with a sign.
    Int(i64),
    /// Any other finite number.
    Float(f64),
    /// A text.
    String(String),
}

impl fmt::Display for Scalar {
    /// Names the value and its type, as in `the number 8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "the boolean {value}"),
            Self::Int(value) => write!(f, "the number {value}"),
            Self::Float(value) => write!(f, "the number {value}"),
            Self::String(value) => write!(f, "the string {value:?}"),
        }
    }
}

/// Why a scalar has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoValue {
    /// Infinity or not-a-number: JSON, and so Kubernetes, has neither.
    #[error("is not a finite number, which Kubernetes cannot hold")]
    NotFinite,
    /// The tag asks for a type that the text is not.
    #[error("cannot be read as !!{0}, which its tag asks for")]
    NotAsTagged(String),
}

/// The value of an untagged plain scalar, or of any scalar with a core tag (`core_tag` without its `!!`).
pub(crate) fn resolve(text: &str, core_tag: Option<&str>) -> Result<Scalar, NoValue> {
    let number = |value: f64| if value.is_finite() { Ok(float(value)) } else { Err(NoValue::NotFinite) };
    match (core_tag, untagged(text)) {
        (None | Some("float"), Untagged::Float(value)) => number(value),
        (None | Some("int" | "float"), Untagged::Int(value)) => Ok(Scalar::Int(value)),
        (None | Some("int"), Untagged::Huge(value)) => Ok(Scalar::Float(value as f64)),
        (None | Some("bool"), Untagged::Bool(value)) => Ok(Scalar::Bool(value)),
        (None | Some("null"), Untagged::Null) => Ok(Scalar::Null),
        (Some(tag @ ("int" | "float" | "bool" | "null")), _) => Err(NoValue::NotAsTagged(tag.to_owned())),
        // Texts, and whatever any other tag stands before.
        (None | Some(_), _) => Ok(Scalar::String(text.to_owned())),
    }
}

/// The text of a mapping's key, since JSON has text keys only; `None` where Kubernetes has no text for it.
pub(crate) fn resolve_key(text: &str, core_tag: Option<&str>) -> Result<Option<String>, NoValue> {
    match (core_tag, untagged(text)) {
        (None | Some("float"), Untagged::Float(value)) => Ok(Some(short_float(value as f32))),
        (None | Some("int"), Untagged::Huge(_)) => Ok(None),
        _ => resolve(text, core_tag).map(|scalar| match scalar {
            Scalar::Null => None,
            Scalar::Bool(value) => Some(value.to_string()),
            Scalar::Int(value) => Some(value.to_string()),
            Scalar::Float(value) => Some(value.to_string()),
            Scalar::String(text) => Some(text),
        }),
    }
}

enum Untagged {
    Null,
    Bool(bool),
    Int(i64),
    Huge(u64),
    Float(f64),
    Text,
}

fn untagged(text: &str) -> Untagged {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Untagged::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Untagged::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Untagged::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Untagged::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Untagged::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Untagged::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => dotted(text),
        Some(b'0'..=b'9' | b'+' | b'-') => numeric(&text.replace('_', "")),
        _ => Untagged::Text,
    }
}

/// A text that begins with a dot: a float where its underscores stand between digits.
fn dotted(text: &str) -> Untagged {
    let between_digits = text.split('_').collect::<Vec<_>>().windows(2).all(|pair| {
        matches!(pair, [left, right] if left.ends_with(|c: char| c.is_ascii_digit())
            && right.starts_with(|c: char| c.is_ascii_digit()))
    });
    if between_digits { decimal(&text.replace('_', "")) } else { Untagged::Text }
}

/// A text that begins with a digit or a sign, its underscores taken out.
fn numeric(text: &str) -> Untagged {
    if let Some(value) = whole(text) {
        return value;
    }
    // go-yaml takes a sign behind the prefix of a binary number too: 0b-11 is -3.
    let binary = text.strip_prefix("0b").and_then(|digits| i64::from_str_radix(digits, 2).ok());
    match (decimal(text), binary) {
        (Untagged::Text, Some(value)) => Untagged::Int(value),
        (other, _) => other,
    }
}

/// A whole number in the base that its prefix names.
fn whole(text: &str) -> Option<Untagged> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', _, ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', _, ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    let signed = if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() };
    let signless = !text.starts_with(['+', '-']);
    signed.map(Untagged::Int).or_else(|| signless.then_some(Untagged::Huge(value)))
}

/// A decimal number: sign, digits with at most one dot, exponent. One too large for 64 bits is a text.
fn decimal(text: &str) -> Untagged {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shaped = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    match text.parse::<f64>() {
        Ok(value) if shaped && value.is_finite() => Untagged::Float(value),
        _ => Untagged::Text,
    }
}

/// Floats without a fraction become whole numbers: their JSON has no fraction, so an integer field takes them.
fn float(value: f64) -> Scalar {
    // 2^63 as a float: everything below it in magnitude is exact in an i64.
    let fits = value.abs() < 9_223_372_036_854_775_808.0;
    if fits && value.fract() == 0.0 { Scalar::Int(value as i64) } else { Scalar::Float(value) }
}

/// A float as Go prints it with `%g` in 32 bits, which is how go-yaml writes a float that is a key.
fn short_float(value: f32) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{value}"),
    }
}
