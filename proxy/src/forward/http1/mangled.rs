//! Messages with pieces of others, and bytes that matter, in them: for tests of what they are taken for.

use proptest::prelude::*;

/// What makes a message another one.
const PIECES: [&str; 24] = [
    "",
    "\r\n",
    "\n",
    "\r",
    "0",
    "5",
    "f",
    ":",
    ",",
    " ",
    "\t",
    ";",
    "\0",
    "HTTP/1.1",
    "HTTP/1.0",
    "content-length: 3\r\n",
    "transfer-encoding: chunked\r\n",
    "connection: close\r\n",
    "connection: keep-alive\r\n",
    "expect: 100-continue\r\n",
    "\r\n\r\n",
    "0\r\n\r\n",
    "chunked",
    "é",
];

/// Messages one behind the other, with up to three edits.
pub(crate) fn mangled(messages: impl Strategy<Value = Vec<&'static str>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..6_usize, prop::sample::select(PIECES.to_vec()));
    (messages, prop::collection::vec(edit, 0..4)).prop_map(|(messages, edits)| {
        let mut bytes = messages.concat().into_bytes();
        for (place, removed, piece) in edits {
            let start = place.index(bytes.len() + 1);
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, piece.bytes());
        }
        bytes
    })
}
