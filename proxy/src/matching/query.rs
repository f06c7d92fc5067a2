//! Reading a query string without taking it apart first: parameters are compared in place, percent-decoded and with `+`
//! for a space, as HTML forms write them.

use std::borrow::Cow;

/// The parameters of a query in order, names and values as sent. A parameter without `=` has an empty value.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// Whether `sent` means `wanted` once decoded.
pub(crate) fn means(sent: &str, wanted: &[u8]) -> bool {
    if is_plain(sent) {
        return sent.as_bytes() == wanted;
    }
    Decoded::of(sent).eq(wanted.iter().copied())
}

/// What `sent` means; borrowed where it has nothing to decode.
pub(crate) fn decoded(sent: &str) -> Cow<'_, [u8]> {
    if is_plain(sent) { Cow::Borrowed(sent.as_bytes()) } else { Cow::Owned(Decoded::of(sent).collect()) }
}

fn is_plain(sent: &str) -> bool {
    memchr::memchr2(b'%', b'+', sent.as_bytes()).is_none()
}

/// The decoded bytes; a `%` without two hexadecimal digits stands for itself.
struct Decoded<'a>(std::slice::Iter<'a, u8>);

impl<'a> Decoded<'a> {
    fn of(sent: &'a str) -> Self {
        Self(sent.as_bytes().iter())
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self.0.next()? {
            b'+' => Some(b' '),
            b'%' => {
                if let [high, low, ..] = self.0.as_slice()
                    && let (Some(high), Some(low)) = (super::normalise::hex(*high), super::normalise::hex(*low))
                {
                    self.0.nth(1);
                    return Some(high << 4 | low);
                }
                Some(b'%')
            }
            other => Some(*other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_compared_as_they_are_meant() {
        for (sent, wanted, expected) in [
            ("2", "2", true),
            ("a%20b", "a b", true),
            ("a+b", "a b", true),
            ("a%2Bb", "a+b", true),
            ("a%2", "a%2", true),
            ("%zz", "%zz", true),
            ("%C3%a9", "é", true),
            ("a", "ab", false),
            ("a%20b", "a", false),
        ] {
            assert_eq!(means(sent, wanted.as_bytes()), expected, "{sent} {wanted}");
            assert_eq!(&*decoded(sent) == wanted.as_bytes(), expected, "{sent} {wanted}");
        }
    }

    #[test]
    fn a_query_falls_into_parameters() {
        let all: Vec<_> = parameters("a=1&&b&c=d=e&=f").collect();
        assert_eq!(all, [("a", "1"), ("b", ""), ("c", "d=e"), ("", "f")]);
    }
}
