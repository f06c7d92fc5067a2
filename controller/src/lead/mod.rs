//! Who leads: one controller compiles, pushes, collects and writes; the others wait and point to it.

mod leadership;

pub use leadership::{Leadership, Standing};
