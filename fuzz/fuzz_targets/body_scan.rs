//! The body scanner never panics, and of a whole JSON body it says what a parser says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluicegate_proxy::matching::body_scan::{may_be_json, scan};
use sluicegate_proxy::matching::reference;

fuzz_target!(|body: &[u8]| {
    let found = scan(body);
    if let Some(expected) = reference::body::scan(body) {
        assert_eq!(found, expected);
        assert_ne!(may_be_json(body), Some(false));
    }
});
