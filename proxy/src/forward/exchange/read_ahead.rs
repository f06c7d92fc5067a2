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
    let mut frames = VecDeque::new();
    let mut bytes = 0;
    let mut ended = body.is_end_stream();
    while !ended && bytes < at_most {
        match poll_fn(|cx| watch.poll_frame(&mut body, cx)).await {
            Some(Ok(frame)) => {
                bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                frames.push_back(frame);
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
    let mut beginning = joined(&frames, bytes);
    // What is found must not depend on how the network cut the body into pieces.
    beginning.truncate(usize::try_from(at_most).unwrap_or(usize::MAX));
    let facts = body_scan::scan(&beginning).map_err(|_| Reason::AmbiguousModel)?;
    let rest = (!ended).then_some(body);
    Ok(Box::new(ReadAhead { frames, rest, watch, facts }))
}

/// The bytes in one piece; without copying where they came in one.
fn joined(frames: &VecDeque<Frame<Bytes>>, bytes: u64) -> Bytes {
    let mut data = frames.iter().filter_map(Frame::data_ref);
    match (data.next(), data.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.clone(),
        (Some(first), Some(second)) => {
            let mut joined = BytesMut::with_capacity(usize::try_from(bytes).unwrap_or(0));
            joined.extend_from_slice(first);
            joined.extend_from_slice(second);
            data.for_each(|chunk| joined.extend_from_slice(chunk));
            joined.freeze()
        }
    }
}
