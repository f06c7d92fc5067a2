//! Reading ahead in a body, where a rule or an affinity asks what is in it. Bounded by the Rule's `bufferSize`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::{Refusal, admit};
use crate::answer::Reason;
use crate::forward::client::{ClientBody, ClientConnection};
use crate::forward::error::ForwardError;
use crate::forward::upstream::BodyWatch;
use crate::matching::body_scan;
use crate::request::BodyFacts;

/// What was read of a body, and what it says.
#[derive(Debug)]
pub(super) struct ReadAhead {
    pub(super) frames: VecDeque<Frame<Bytes>>,
    pub(super) rest: Option<ClientBody>,
    pub(super) watch: Rc<BodyWatch>,
    pub(super) facts: BodyFacts,
}

/// Reads up to `at_most` bytes of the body, or to its end, and scans them.
pub(super) async fn read(
    client: &ClientConnection,
    mut body: ClientBody,
    at_most: u64,
) -> Result<Box<ReadAhead>, Refusal> {
    let watch = admit::watch(&client.worker);
    let (mut read, mut trailers) = (Joined::default(), None);
    let mut ended = body.is_end_stream();
    while !ended && read.len() < at_most {
        match poll_fn(|cx| watch.poll_frame(&mut body, cx)).await {
            Some(Ok(frame)) => {
                match frame.into_data() {
                    Ok(data) => read.push(data),
                    Err(frame) => trailers = Some(frame),
                }
                ended = body.is_end_stream();
            }
            Some(Err(_)) => {
                return Err(watch
                    .take_failure()
                    .unwrap_or(ForwardError::Internal("a body failed without a cause"))
                    .into());
            }
            None => ended = true,
        }
    }
    let read = read.into_bytes();
    let mut beginning = read.clone();
    // What is found must not depend on how the network cut the body into pieces.
    beginning.truncate(usize::try_from(at_most).unwrap_or(usize::MAX));
    let facts = body_scan::scan(&beginning).map_err(|_| Reason::AmbiguousModel)?;
    let data = (!read.is_empty()).then(|| Frame::data(read));
    let frames = data.into_iter().chain(trailers).collect();
    let rest = (!ended).then_some(body);
    Ok(Box::new(ReadAhead { frames, rest, watch, facts }))
}

/// A body's beginning in one piece, however small the pieces are that it comes in; what comes in one is not copied.
#[derive(Debug, Default)]
struct Joined {
    first: Bytes,
    all: BytesMut,
}

impl Joined {
    fn push(&mut self, data: Bytes) {
        if self.first.is_empty() {
            self.first = data;
            return;
        }
        if self.all.is_empty() {
            self.all.extend_from_slice(&self.first);
        }
        self.all.extend_from_slice(&data);
    }

    fn len(&self) -> u64 {
        self.all.len().max(self.first.len()) as u64
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_one_and_one_is_not_copied() {
        let mut joined = Joined::default();
        assert_eq!((joined.len(), Joined::default().into_bytes()), (0, Bytes::new()));
        let one = Bytes::from_static(b"one");
        joined.push(one.clone());
        assert_eq!(joined.len(), 3);
        joined.push(Bytes::new());
        for piece in [&b" "[..], b"two"] {
            joined.push(Bytes::copy_from_slice(piece));
        }
        assert_eq!(joined.len(), 7);
        assert_eq!(joined.into_bytes(), "one two");
        let mut joined = Joined::default();
        joined.push(one.clone());
        assert_eq!(joined.into_bytes().as_ptr(), one.as_ptr());
    }
}
