//! One form for paths and hosts, so that no spelling of a path gets around a rule: what is matched is what is forwarded.
//!
//! A path's normal form is that of RFC 3986 6.2.2 as far as it cannot change a path's meaning: percent-encoded unreserved
//! characters are decoded (`%61` is `a`, `%2e` is `.`), hexadecimal digits are upper case, bytes outside ASCII are
//! encoded, then dot segments are removed (5.2.4, never above the root). What servers read differently stays as it is
//! sent: `//`, `%2F`, `%5C` and `\`.
//!
//! Refused, because servers disagree on what they mean: a `%` without two hexadecimal digits, and `%00`.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use sluicegate_table::{Match, PathMatch};

/// Why a path or host is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNormal {
    /// The path does not begin with `/`.
    #[error("the path does not begin with /")]
    NotAbsolute,
    /// A `%` that is not followed by two hexadecimal digits.
    #[error("the path has a % without two hexadecimal digits")]
    BadEncoding,
    /// A NUL, or any other control character.
    #[error("the path has a control character")]
    ControlCharacter,
    /// The host is neither a name nor an address.
    #[error("the host is neither a name nor an address")]
    BadHost,
}

/// The normal form of a request's path; borrowed where it has it already. An empty path is `/`.
///
/// # Errors
/// Paths that servers would read differently: to be answered with 400.
pub fn path(path: &str) -> Result<Cow<'_, str>, NotNormal> {
    let bytes = path.as_bytes();
    match bytes.first() {
        None => return Ok(Cow::Borrowed("/")),
        Some(b'/') => {}
        Some(_) => return Err(NotNormal::NotAbsolute),
    }
    // Counting has no branch, so it takes many bytes at a time.
    let odd = bytes.iter().map(|byte| u32::from(!(0x21..0x7f).contains(byte)) + u32::from(*byte == b'%')).sum::<u32>();
    // A segment that begins with a dot may be a dot segment; the slow way decides.
    if odd == 0 && (memchr::memchr(b'.', bytes).is_none() || memchr::memmem::find(bytes, b"/.").is_none()) {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode(bytes)?;
    let clean = remove_dot_segments(&decoded);
    Ok(if clean == path { Cow::Borrowed(path) } else { Cow::Owned(clean) })
}

/// `path` with unreserved characters decoded and everything else in one spelling.
fn decode(path: &[u8]) -> Result<String, NotNormal> {
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let (high, low) = (bytes.next().and_then(hex), bytes.next().and_then(hex));
                let (Some(high), Some(low)) = (high, low) else { return Err(NotNormal::BadEncoding) };
                match high << 4 | low {
                    0 => return Err(NotNormal::ControlCharacter),
                    byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => out.push(char::from(byte)),
                    byte => push_encoded(&mut out, byte),
                }
            }
            0..0x20 | 0x7f => return Err(NotNormal::ControlCharacter),
            b' ' | 0x80.. => push_encoded(&mut out, byte),
            _ => out.push(char::from(byte)),
        }
    }
    Ok(out)
}

fn push_encoded(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    for digit in [byte >> 4, byte & 0xf] {
        out.extend(DIGITS.get(usize::from(digit)).copied().map(char::from));
    }
}

/// RFC 3986 5.2.4. An empty segment counts as one, so `/a//../b` is `/a/b`.
fn remove_dot_segments(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    out.truncate(out.rfind('/').unwrap_or(0));
                }
                if segments.peek().is_none() {
                    out.push('/');
                }
            }
            _ => {
                out.push('/');
                out.push_str(segment);
            }
        }
    }
    out
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The match with its path in the normal form, which is what it is compared with. A regular expression stays as written;
/// so does a path that no request can have, and matches none.
pub(crate) fn path_condition(wanted: &Match) -> Cow<'_, Match> {
    let normal = |text: &str| match path(text) {
        Ok(Cow::Owned(normal)) => Some(normal),
        Ok(Cow::Borrowed(_)) | Err(_) => None,
    };
    let path = match &wanted.path {
        PathMatch::Exact(text) => normal(text).map(PathMatch::Exact),
        PathMatch::Prefix(text) => normal(text).map(PathMatch::Prefix),
        PathMatch::Glob(text) => normal(text).map(PathMatch::Glob),
        PathMatch::RegularExpression(_) => None,
    };
    match path {
        Some(path) => Cow::Owned(Match { path, ..wanted.clone() }),
        None => Cow::Borrowed(wanted),
    }
}

/// The host of a `Host` header or an authority, for matching: lower case, without port and final dot, an IPv6 address in
/// its brackets. Borrowed where it has that form already. An empty text is an empty host.
///
/// # Errors
/// Texts that are no host: user information, spaces, bad brackets or ports. To be answered with 400.
pub fn host(authority: &str) -> Result<Cow<'_, str>, NotNormal> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(NotNormal::BadHost)?;
        let parsed: Ipv6Addr = address.parse().map_err(|_| NotNormal::BadHost)?;
        check_port(port)?;
        let bracketed = authority.get(..address.len() + 2).unwrap_or(authority);
        // An address has many spellings; the shortest is the one to match.
        let normal = format!("[{parsed}]");
        return Ok(if normal == bracketed { Cow::Borrowed(bracketed) } else { Cow::Owned(normal) });
    }
    let name_end = memchr::memchr(b':', authority.as_bytes()).unwrap_or(authority.len());
    let (name, port) = authority.split_at_checked(name_end).unwrap_or((authority, ""));
    check_port(port)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut upper = false;
    for byte in name.bytes() {
        // What RFC 3986 3.2.2 allows in a registered name, but for percent-encoding.
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'&'..=b'.' | b'_' | b'~' | b'!' | b'$' | b';' | b'=' => {}
            b'A'..=b'Z' => upper = true,
            _ => return Err(NotNormal::BadHost),
        }
    }
    Ok(if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
}

/// `port` is empty or a colon and digits.
fn check_port(port: &str) -> Result<(), NotNormal> {
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if digits.is_empty() || digits.parse::<u16>().is_ok_and(|_| !digits.starts_with('+')) => Ok(()),
        _ => Err(NotNormal::BadHost),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_get_one_form() {
        for (sent, expected) in [
            ("", Ok("/")),
            ("/", Ok("/")),
            ("/a/b.c", Ok("/a/b.c")),
            ("/a//b/", Ok("/a//b/")),
            ("/.well-known/x", Ok("/.well-known/x")),
            ("/...", Ok("/...")),
            ("/a/./b", Ok("/a/b")),
            ("/a/../b", Ok("/b")),
            ("/a/..", Ok("/")),
            ("/a/b/.", Ok("/a/b/")),
            ("/../../a", Ok("/a")),
            ("/a//../b", Ok("/a/b")),
            ("/a/%2e%2E/b", Ok("/b")),
            ("/a/.%2e/b", Ok("/b")),
            ("/%61dmin%7e", Ok("/admin~")),
            ("/a%2fb", Ok("/a%2Fb")),
            ("/a%5c..", Ok("/a%5C..")),
            ("/a\\..\\b", Ok("/a\\..\\b")),
            ("/a%252e", Ok("/a%252e")),
            ("/é", Ok("/%C3%A9")),
            ("/%c3%a9", Ok("/%C3%A9")),
            ("/a b", Ok("/a%20b")),
            ("/a%", Err(NotNormal::BadEncoding)),
            ("/a%2", Err(NotNormal::BadEncoding)),
            ("/a%zz", Err(NotNormal::BadEncoding)),
            ("/a%00", Err(NotNormal::ControlCharacter)),
            ("/a\0", Err(NotNormal::ControlCharacter)),
            ("a", Err(NotNormal::NotAbsolute)),
            ("*", Err(NotNormal::NotAbsolute)),
        ] {
            assert_eq!(path(sent).as_deref(), expected.as_deref(), "{sent}");
        }
    }

    #[test]
    fn hosts_get_one_form() {
        for (sent, expected) in [
            ("example.com", Ok("example.com")),
            ("Example.COM:8080", Ok("example.com")),
            ("example.com.", Ok("example.com")),
            ("example.com.:443", Ok("example.com")),
            ("example.com:", Ok("example.com")),
            ("10.0.0.1:80", Ok("10.0.0.1")),
            ("[::1]:80", Ok("[::1]")),
            ("[0:0::1]", Ok("[::1]")),
            ("", Ok("")),
            ("a b", Err(NotNormal::BadHost)),
            ("user@host", Err(NotNormal::BadHost)),
            ("host:8x", Err(NotNormal::BadHost)),
            ("host:99999", Err(NotNormal::BadHost)),
            ("host:+1", Err(NotNormal::BadHost)),
            ("::1", Err(NotNormal::BadHost)),
            ("[::1", Err(NotNormal::BadHost)),
            ("[x]", Err(NotNormal::BadHost)),
            ("[::1]x", Err(NotNormal::BadHost)),
            ("a%2eb", Err(NotNormal::BadHost)),
        ] {
            assert_eq!(host(sent).as_deref(), expected.as_deref(), "{sent}");
        }
    }

    #[test]
    fn what_is_normal_is_borrowed() {
        assert!(matches!(path("/v1/chat/completions.json"), Ok(Cow::Borrowed(_))));
        assert!(matches!(path("/a%20b/.x"), Ok(Cow::Borrowed(_))));
        assert!(matches!(host("example.com:8080"), Ok(Cow::Borrowed("example.com"))));
    }

    proptest! {
        #[test]
        fn the_normal_form_is_stable_and_has_no_dot_segments(sent in "/([a/.%25EeFf\\\\]|%2[eEfF]|%61){0,20}") {
            if let Ok(once) = path(&sent) {
                prop_assert_eq!(path(&once), Ok(Cow::Borrowed(&*once)));
                prop_assert!(once.starts_with('/'));
                prop_assert!(!once.split('/').any(|segment| segment == "." || segment == ".."), "{}", once);
            }
        }
    }
}
