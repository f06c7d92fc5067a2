//! File descriptors: as many as the administrator allows, and room for them from the start.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For how many descriptors there is room from the start: 16,000 proxied connections, and 256 KiB of the kernel's memory.
const ROOM: u64 = 32_768;

/// Raises the limit and makes room. To be called before the process has a second thread.
pub(crate) fn prepare() {
    raise_limit();
    if let Err(error) = make_room() {
        tracing::debug!(%error, "the table of open files will grow as they are opened");
    }
}

/// Two descriptors a proxied connection go past the usual limit of 1,024 quickly; the hard limit is what the
/// administrator set.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::info!(%error, "the limit on open files stays as it is");
        }
    }
}

/// Linux doubles a process's table of open files when it is full. With more than one thread that waits for all CPUs to pass a
/// quiescent state, 10 ms and more, in which the worker that opened the 257th, 513th… file serves nobody. A descriptor with a
/// high number makes the table large at once, and it stays so when that descriptor is closed.
fn make_room() -> io::Result<()> {
    let room = getrlimit(Resource::Nofile).current.unwrap_or(ROOM).min(ROOM);
    let last = i32::try_from(room.saturating_sub(1)).unwrap_or(i32::MAX);
    drop(rustix::io::fcntl_dupfd_cloexec(io::stderr(), last)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

    use super::*;

    #[test]
    fn there_is_room_before_it_is_needed() {
        prepare();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(ROOM);
        assert!(size.trim().parse::<u64>().unwrap() >= allowed.min(ROOM), "{size} of {allowed}");
    }
}
