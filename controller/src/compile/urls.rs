//! URLs of targets written in a Rule: taken apart by hand where `http::Uri` is lenient (it drops fragments and ports
//! that are no number).

use std::net::Ipv6Addr;

use http::Uri;
use sluicegate_table::Protocol;

use super::faults::{Checked, Fault, shown};
use super::{names, paths};

/// What a target's URL says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TargetUrl {
    pub(super) protocol: Protocol,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

/// Takes a target's URL apart.
pub(super) fn target_url(text: &str) -> Checked<TargetUrl> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Fault::invalid(format!("{} is no URL", shown(text)))
            .hint("write http:// or https:// and the host, such as https://example.com"));
    };
    let (protocol, default_port) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Protocol::Http, 80),
        "https" => (Protocol::Https, 443),
        _ => {
            return Err(Fault::unsupported(format!("the URL's scheme {} is neither http nor https", shown(scheme)))
                .hint("write a Target, which has `protocol: H2C`, for HTTP/2 in clear text"));
        }
    };
    let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_ends);
    if authority.contains('@') {
        // Not shown: it may hold a password.
        return Err(Fault::unsupported("the URL holds a user name or a password")
            .hint("write a Target, which takes `credentials` from a Secret"));
    }
    if let Some(wrong) = path.chars().find(|c| matches!(c, '?' | '#')) {
        let part = if wrong == '?' { "query" } else { "fragment" };
        return Err(Fault::unsupported(format!("the URL {} has a {part}", shown(text)))
            .hint("a target has a scheme, a host, a port and a path; the query is the request's own"));
    }
    let (host, port) = split_authority(authority)
        .ok_or_else(|| Fault::invalid(format!("{} is no host and port", shown(authority))))?;
    let port = match port {
        None => default_port,
        Some(digits) => digits.parse().map_err(|_| {
            Fault::invalid(format!("{} is no port", shown(digits))).hint("write a port from 1 to 65535")
        })?,
    };
    if authority.starts_with('[') && host.parse::<Ipv6Addr>().is_err() {
        return Err(Fault::invalid(format!("{} is no IPv6 address", shown(host))));
    }
    let url = TargetUrl { protocol, host: names::host(host)?, port: names::port(port)?, path: paths::base(path)? };
    match text.parse::<Uri>() {
        Ok(_) => Ok(url),
        Err(error) => Err(Fault::invalid(format!("{} is no URL: {error}", shown(text)))),
    }
}

/// The host, without the brackets of an IPv6 address, and the port's digits.
fn split_authority(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return if after.is_empty() { Some((host, None)) } else { Some((host, Some(after.strip_prefix(':')?))) };
    }
    Some(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use sluicegate_table::Protocol;

    use super::{TargetUrl, target_url};

    #[test]
    fn urls_are_taken_apart() {
        let url = |protocol, host: &str, port, path: &str| {
            Ok(TargetUrl { protocol, host: host.to_owned(), port, path: path.to_owned() })
        };
        for (text, expected) in [
            ("http://Example.com", url(Protocol::Http, "example.com", 80, "")),
            ("https://example.com/", url(Protocol::Https, "example.com", 443, "")),
            ("HTTPS://example.com:8443/v1/", url(Protocol::Https, "example.com", 8443, "/v1")),
            ("http://[2001:db8::1]:8080/a", url(Protocol::Http, "2001:db8::1", 8080, "/a")),
            ("http://[::1]", url(Protocol::Http, "::1", 80, "")),
            ("http://127.0.0.1:9101", url(Protocol::Http, "127.0.0.1", 9101, "")),
        ] {
            assert_eq!(target_url(text), expected, "{text}");
        }
    }

    #[test]
    fn what_no_target_can_be_reached_by_is_refused() {
        for text in [
            "",
            "example.com",
            "//example.com",
            "ftp://example.com",
            "http://",
            "http://:80",
            "http://a:",
            "http://a:0",
            "http://a:65536",
            "http://a:b",
            "http://a:80:80",
            "http://[::1",
            "http://[::1]x",
            "http://[example.com]",
            "http://a/?q=1",
            "http://a?q=1",
            "http://a/#f",
            "http://a b/",
            "http://a/b c",
            "http://ä/",
        ] {
            assert!(target_url(text).is_err(), "{text} must be refused");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_shown() {
        let fault = target_url("https://user:hunter2@example.com").expect_err("must be refused");
        assert!(!format!("{fault:?}").contains("hunter2"));
    }
}
