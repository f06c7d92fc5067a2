//! Host names and addresses, checked and brought into one form: lower case, without brackets.

use std::net::IpAddr;

use sluicegate_table::Hostname;

use super::faults::{Checked, Fault, shown};

/// The longest name that DNS can carry.
const MOST_NAME: usize = 253;
/// The longest label of a name.
const MOST_LABEL: usize = 63;

/// A host that can be connected to: a DNS name or an IP address.
pub(super) fn host(text: &str) -> Checked<String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    if text.starts_with('[') {
        return Err(Fault::invalid(format!("{} is no host", shown(text)))
            .hint("write an IPv6 address without brackets, such as 2001:db8::1"));
    }
    let name = dns_name(text)?;
    // The last label of a DNS name is never a number, so `10.0.0.300` can only be a mistyped address.
    if name.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(Fault::invalid(format!("{} is neither a host name nor an IP address", shown(text)))
            .hint("an IPv4 address has four numbers from 0 to 255"));
    }
    Ok(name)
}

/// A host name that requests can ask for, `*.` in front standing for any subdomain.
pub(super) fn hostname(text: &str) -> Checked<Hostname> {
    if text == "*" {
        return Err(Fault::invalid("`*` is no host name").hint("leave `hostnames` out to take every host"));
    }
    if text.contains(':') && !text.contains("://") {
        return Err(Fault::invalid(format!("{} holds more than a host name", shown(text)))
            .hint("leave the port out: a rule takes requests on every listener"));
    }
    let (wildcard, name) = match text.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if name.contains('*') {
        return Err(Fault::invalid(format!("{} has a `*` that is not its whole first label", shown(text)))
            .hint("write *.example.com for every subdomain of example.com"));
    }
    let name = dns_name(name)?;
    Ok(if wildcard { Hostname::Wildcard(name) } else { Hostname::Exact(name) })
}

/// The name in lower case. Underscores pass: names of containers and service records have them.
fn dns_name(text: &str) -> Checked<String> {
    let refused = |why: &str| Fault::invalid(format!("{} is no host name: {why}", shown(text)));
    if text.is_empty() {
        return Err(Fault::invalid("the host name is empty"));
    }
    if text.contains("://") || text.contains('/') {
        return Err(refused("it holds a `/`").hint("write the host alone, such as example.com"));
    }
    if !text.is_ascii() {
        return Err(refused("it is not ASCII").hint("write its ASCII form, which begins with xn--"));
    }
    if text.ends_with('.') {
        return Err(refused("it ends with a dot").hint("leave the final dot out"));
    }
    if text.len() > MOST_NAME {
        return Err(refused("it is longer than 253 characters"));
    }
    for label in text.split('.') {
        if label.is_empty() {
            return Err(refused("a label between its dots is empty"));
        }
        if label.len() > MOST_LABEL {
            return Err(refused("a label is longer than 63 characters"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(refused("a label begins or ends with `-`"));
        }
        if let Some(wrong) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))) {
            return Err(refused(&format!("it holds {}", shown(&wrong.to_string()))));
        }
    }
    Ok(text.to_ascii_lowercase())
}

/// A region or a zone, as a label of Kubernetes holds it.
pub(super) fn topology_label(text: &str) -> Checked<String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    if text.len() > MOST_LABEL || !text.bytes().all(inner) || !end(text.bytes().next()) || !end(text.bytes().last()) {
        return Err(Fault::invalid(format!("{} is no name of a region or zone", shown(text)))
            .hint("write up to 63 letters, digits and `.`, `_`, `-` between them, such as us-east-1"));
    }
    Ok(text.to_owned())
}

/// A port that can be connected to.
pub(super) fn port(number: u16) -> Checked<u16> {
    if number == 0 {
        return Err(Fault::invalid("port 0 cannot be connected to").hint("write a port from 1 to 65535"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use sluicegate_table::Hostname;

    use super::{host, hostname};

    #[test]
    fn hosts_take_one_form() {
        for (written, kept) in [
            ("API.OpenAI.com", "api.openai.com"),
            ("localhost", "localhost"),
            ("my_service", "my_service"),
            ("127.0.0.1", "127.0.0.1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(host(written).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = ["a".repeat(60).as_str(); 5].join(".");
        for written in [
            "",
            "10.0.0.300",
            "1.2.3",
            "[::1]",
            "https://example.com",
            "example.com/v1",
            "example.com.",
            "a..b",
            "-a.example",
            "a-.example",
            "bücher.example",
            "a b",
            "*.example.com",
            long_label.as_str(),
            long_name.as_str(),
        ] {
            assert!(host(written).is_err(), "{written} must be refused");
        }
    }

    #[test]
    fn a_wildcard_is_the_whole_first_label() {
        assert_eq!(hostname("*.Example.com"), Ok(Hostname::Wildcard("example.com".into())));
        assert_eq!(hostname("example.com"), Ok(Hostname::Exact("example.com".into())));
        for written in ["*", "*.", "a.*.com", "*a.com", "*.*.com", "example.com:8080", "::1"] {
            assert!(hostname(written).is_err(), "{written} must be refused");
        }
    }
}
