//! The table of requests.

/// What a request must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An answer of ours with this status and reason, the connection's end, and nothing at the target.
    Refused(u16, &'static str),
    /// An answer of ours with this status and reason; the connection may go on.
    Answered(u16, &'static str),
    /// One request at the target with this target and body, and the target's answer.
    Served(&'static str, &'static str),
    /// The end of the connection without an answer.
    Closed,
}

use Expected::{Answered, Closed, Refused, Served};

/// A request: its name, its bytes and what it must get.
pub(crate) struct Case(pub(crate) &'static str, pub(crate) &'static [u8], pub(crate) Expected);

const INVALID: Expected = Refused(400, "invalid-request");
const AMBIGUOUS: Expected = Refused(400, "ambiguous-framing");

/// Requests with a fixed text; those of some size are made in `table.rs`.
pub(crate) const CASES: &[Case] = &[
    // Two lengths.
    Case("length and chunks", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", AMBIGUOUS),
    Case("chunks and length", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", AMBIGUOUS),
    Case("two lengths that differ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", INVALID),
    Case("two lengths in one line that differ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabcd", INVALID),
    Case("two lengths in one line that agree", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", INVALID),
    Case("a length with a plus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", INVALID),
    Case("a negative length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabc", INVALID),
    Case("a length in hexadecimal", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", INVALID),
    Case("a length with a space inside", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nabc", INVALID),
    Case("an empty length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc", INVALID),
    Case("a length beyond 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nabc", INVALID),
    Case("the largest length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nabc", Refused(413, "body-too-large")),
    // Codings.
    Case("chunked twice", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", AMBIGUOUS),
    Case("chunked, then identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", INVALID),
    Case("chunked, identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", INVALID),
    Case("identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", INVALID),
    Case("gzip, chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Refused(501, "not-implemented")),
    Case("a coding like chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", INVALID),
    Case("chunked in quotes", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", INVALID),
    Case("chunked behind a vertical tab", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", INVALID),
    Case("an empty coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", INVALID),
    Case("chunks in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", INVALID),
    Case("chunked in capitals", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Served("/x", "abc")),
    // Field names and lines.
    Case("a space before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", INVALID),
    Case("a space before Transfer-Encoding's colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", INVALID),
    Case("a folded line", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: one\r\n two\r\n\r\n", INVALID),
    Case("a folded coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", INVALID),
    Case("a first line that begins with a space", b"GET / HTTP/1.1\r\n X-A: 1\r\nHost: a\r\n\r\n", INVALID),
    Case("a line without a colon", b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", INVALID),
    Case("a field without a name", b"GET / HTTP/1.1\r\nHost: a\r\n: value\r\n\r\n", INVALID),
    Case("a name with a bracket", b"GET / HTTP/1.1\r\nHost: a\r\nX[0]: 1\r\n\r\n", INVALID),
    Case("a NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\x002\r\n\r\n", INVALID),
    Case("a NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\x00A: 1\r\n\r\n", INVALID),
    Case("a bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\rX-B: 2\r\n\r\n", INVALID),
    Case("a bare CR before a coding", b"POST / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n", INVALID),
    Case("lines that end with LF alone", b"POST /x HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc", Served("/x", "abc")),
    Case("two lengths that agree", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", Served("/x", "abc")),
    // Hosts.
    Case("no host", b"GET / HTTP/1.1\r\n\r\n", INVALID),
    Case("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", INVALID),
    Case("two hosts that agree", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", INVALID),
    Case("a host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", INVALID),
    Case("a host with a user", b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", INVALID),
    Case("a host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", INVALID),
    Case("a host with a comma, which a name may have", b"GET /x HTTP/1.1\r\nHost: a,b\r\n\r\n", Served("/x", "")),
    Case("a host with a port that is none", b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", INVALID),
    Case("no host in HTTP/1.0", b"GET /x HTTP/1.0\r\n\r\n", Served("/x", "")),
    // Request lines.
    Case("HTTP/0.9", b"GET /\r\n\r\n", INVALID),
    Case("an HTTP/2 line in HTTP/1", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", INVALID),
    Case("a version of the future", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", INVALID),
    Case("a version in lower case", b"GET / http/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("a second space", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("a space in the path", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("a tab instead of a space", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("a method with a control character", b"G\x01T / HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("no method", b" / HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("a path without a slash", b"GET path HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("a NUL in the path", b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("a fragment, which is cut off before anything is matched", b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Served("/a", "")),
    Case("TLS on a listener in clear text", b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03\r\n\r\n", INVALID),
    Case("an unknown method", b"BREW /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", Served("/x", "abc")),
    // Targets in other forms.
    Case("absolute form", b"GET http://a/x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n", Served("/x?y=1", "")),
    Case("absolute form, which wins over Host", b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", Served("/x", "")),
    Case("absolute form with a user", b"GET http://user:secret@a/x HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("absolute form of another scheme", b"GET gopher://a/x HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("authority form without CONNECT", b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Refused(501, "not-implemented")),
    Case("TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Refused(501, "not-implemented")),
    Case("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Served("*", "")),
    Case("an asterisk and more", b"OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("an asterisk and a query", b"OPTIONS *?a HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("an asterisk without OPTIONS", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    // Paths that mean something else further on.
    Case("dot segments that leave the root", b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", Served("/etc/passwd", "")),
    Case("escaped dot segments", b"GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n", Served("/b", "")),
    Case("half an escape", b"GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    Case("an escaped NUL", b"GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n", INVALID),
    // Chunks.
    Case("a chunk size that is none", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", INVALID),
    Case("an empty chunk size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n", INVALID),
    Case("a chunk size with a sign", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", INVALID),
    Case("a chunk size in 0x", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", INVALID),
    Case("a chunk size over 64 bits", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", INVALID),
    Case("a chunk longer than its size", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", INVALID),
    Case("a chunk that ends with LF alone", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", INVALID),
    Case("a chunk size that ends with LF alone", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", INVALID),
    Case("a newline in a chunk extension", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\n1\r\nabc\r\n0\r\n\r\n", INVALID),
    Case("a chunk extension", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n0;c\r\n\r\n", Served("/x", "abc")),
    Case("a framing field in the trailers", b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 5\r\nHost: b\r\n\r\n", Served("/x", "abc")),
    // Wishes for the next hop only.
    Case("Connection names Content-Length", b"POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\nabc", INVALID),
    Case("Connection names Host", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", INVALID),
    Case("Connection names Authorization", b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nConnection: close, authorization\r\n\r\n", INVALID),
    Case("Connection names X-Forwarded-For", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for\r\n\r\n", INVALID),
    Case("an upgrade to h2c", b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", Served("/x", "")),
    Case("an expectation that nobody meets", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 3\r\n\r\nabc", Answered(417, "expectation-failed")),
    Case("an expectation that nobody knows", b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", Answered(417, "expectation-failed")),
    Case("a second expectation", b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: tea\r\nContent-Length: 3\r\n\r\nabc", Answered(417, "expectation-failed")),
    // Ends.
    Case("half a preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Closed),
];
