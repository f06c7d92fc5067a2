//! Heads of requests and of answers, as far as they are alike.

use memchr::memmem;

/// How many fields a head may have.
pub(crate) const MOST_FIELDS: usize = 100;

/// Whether the empty line may be there that ends a head. `seen`: how many of the bytes were looked at before without
/// success. They are not read again, so that a head in many pieces costs no more than its length.
pub(crate) fn may_be_complete(bytes: &[u8], seen: usize) -> bool {
    if bytes.is_empty() {
        return false;
    }
    if seen == 0 {
        return true;
    }
    let new = bytes.get(seen.saturating_sub(3)..).unwrap_or_default();
    memmem::find(new, b"\n\r\n").is_some() || memmem::find(new, b"\n\n").is_some()
}
