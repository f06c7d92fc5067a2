//! Writing several slices: small ones as one, large ones as they are.
//!
//! A head and a small body cost less in one `write` of a copy than in a `writev`; a large body costs less uncopied.
//! hyper decides between the two once per connection, this decides per write.

use std::cell::RefCell;
use std::io::IoSlice;

/// Up to this many bytes are copied into one slice.
const SMALL: usize = 4096;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(SMALL));
}

/// What is best written.
#[derive(Debug)]
pub(crate) enum Best<'a> {
    /// One slice: the only one, or a copy of several small ones.
    One(&'a [u8]),
    /// Several, as they are.
    All(&'a [IoSlice<'a>]),
}

/// Calls `write` with what is best written of `slices`.
pub(crate) fn coalesced<T>(slices: &[IoSlice<'_>], write: impl FnOnce(Best<'_>) -> T) -> T {
    match slices {
        [] => write(Best::One(&[])),
        [only] => write(Best::One(only)),
        several if several.iter().map(|slice| slice.len()).sum::<usize>() <= SMALL => {
            SCRATCH.with_borrow_mut(|scratch| {
                scratch.clear();
                for slice in several {
                    scratch.extend_from_slice(slice);
                }
                write(Best::One(scratch))
            })
        }
        several => write(Best::All(several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(slices: &[&[u8]]) -> (usize, Vec<u8>) {
        let slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let join = |slices: &[IoSlice<'_>]| slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        coalesced(&slices, |best| match best {
            Best::One(one) => (1, one.to_vec()),
            Best::All(all) => (all.len(), join(all)),
        })
    }

    #[test]
    fn small_slices_become_one_and_large_ones_stay() {
        assert_eq!(written(&[b"head", b"body"]), (1, b"headbody".to_vec()));
        let large = vec![7; SMALL];
        assert_eq!(written(&[b"head", &large]).0, 2);
        assert_eq!(written(&[&large]), (1, large.clone()));
        assert_eq!(written(&[]), (1, Vec::new()));
    }

    #[test]
    fn no_bytes_of_an_earlier_write_are_written_again() {
        written(&[b"a long first head", b"and body"]);
        assert_eq!(written(&[b"a", b"b"]), (1, b"ab".to_vec()));
    }
}
