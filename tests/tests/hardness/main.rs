//! Malformed and ambiguous requests: what each must get, and that no byte behind it is ever served.
//!
//! A smuggled request is one that the proxy and a target see in different places. So every case is followed, in the same
//! bytes, by a request for `/smuggled`; where the first one is refused, nobody may ever see the second, and the target
//! must see either nothing or one whole request that it and the proxy read alike.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![allow(clippy::format_collect)]

mod answers;
mod cases;
mod http2;
mod table;
