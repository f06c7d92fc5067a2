//! Gives back the memory of code that only starting ran.
//!
//! Reading manifests, evaluating CEL and setting up TLS run once. Their pages of the program stay in the process's memory
//! until the system runs short of it, which for a small idle process is a third of all it has. What is still needed comes
//! back from the page cache when it next runs.

use std::ffi::c_void;
use std::fs;
use std::ptr;

use rustix::mm::{Advice, madvise};

/// Gives it back. To be called once, when the process has started. Where that fails the pages stay, which costs nothing else.
pub(crate) fn give_back() {
    let Ok(mappings) = fs::read_to_string("/proc/self/maps") else { return };
    for (start, length) in mappings.lines().filter_map(code_of_a_file) {
        // SAFETY: the range is one whole mapping that is private, executable, not writable and backed by a file. Nobody has
        // written to it: it never was writable, for the program and its libraries are position-independent and have no
        // relocations in their code. So its pages are those of the file, and each is read from there again when it is
        // next used, exactly as after the system had dropped it for want of memory.
        #[allow(unsafe_code)]
        let given_back =
            unsafe { madvise(ptr::with_exposed_provenance_mut::<c_void>(start), length, Advice::LinuxDontNeed) };
        if let Err(error) = given_back {
            tracing::debug!(%error, "the memory of code that ran at the start is kept");
        }
    }
}

/// Start and length in bytes of a mapping of code from a file, from its line in `/proc/self/maps`.
fn code_of_a_file(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let is_code = words.next()? == "r-xp";
    let file = words.nth(3)?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let (start, end) = (address(start)?, address(end)?);
    (is_code && file.starts_with('/')).then(|| (start, end.saturating_sub(start)))
}

#[cfg(test)]
mod tests {
    use super::{code_of_a_file, give_back};

    #[test]
    fn only_code_of_files_is_given_back() {
        let code = "55d0c0a00000-55d0c0f00000 r-xp 00200000 fe:00 1234                       /usr/bin/sluicegate";
        assert_eq!(code_of_a_file(code), Some((0x55d0_c0a0_0000, 0x50_0000)));
        for kept in [
            &code.replace("r-xp", "r--p"),
            &code.replace("r-xp", "rw-p"),
            &code.replace("r-xp", "rwxp"),
            "7ffd1d5f2000-7ffd1d5f4000 r-xp 00000000 00:00 0                          [vdso]",
            "7f0000000000-7f0000001000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(code_of_a_file(kept), None, "{kept}");
        }
    }

    #[test]
    fn a_program_goes_on_without_it() {
        give_back();
        assert_eq!(format!("{:?}", (1..=3).map(|n| n * n).collect::<Vec<_>>()), "[1, 4, 9]");
    }
}
