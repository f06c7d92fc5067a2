//! Request methods: those that requests are compared with, and those of requests that proxies make themselves.

use http::Method;

use super::faults::{Checked, Fault, Problems, shown};
use crate::problem::FieldPath;

/// A method that requests are compared with. They are case-sensitive, and no registered one has a lower-case letter.
pub(super) fn one(text: &str) -> Checked<String> {
    if Method::from_bytes(text.as_bytes()).is_err() {
        return Err(Fault::invalid(format!("{} is no method", shown(text))));
    }
    let upper = text.to_ascii_uppercase();
    if upper != text {
        return Err(Fault::invalid(format!("the method {} matches no request", shown(text)))
            .hint(format!("methods are in upper case: write {upper}")));
    }
    Ok(upper)
}

/// Methods that requests are compared with, in order, each once.
pub(super) fn list(written: &[String], field: &FieldPath, problems: &mut Problems) -> Vec<String> {
    let checked =
        written.iter().enumerate().filter_map(|(position, text)| problems.check(&field.index(position), one(text)));
    let mut methods: Vec<String> = checked.collect();
    methods.sort();
    methods.dedup();
    methods
}

/// The method of a request that proxies make themselves.
pub(super) fn to_send(text: &str) -> Checked<String> {
    if text == Method::CONNECT.as_str() {
        return Err(Fault::unsupported("CONNECT asks for a tunnel").hint("write GET or HEAD"));
    }
    one(text)
}
