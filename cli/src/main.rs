//! The binary `sluicegate`: an allocator that is fast with many small buffers, and the program.
//!
//! The allocator asks for no huge pages (`no_thp`): an idle process would hold 15 MiB more for nothing.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sluicegate::main()
}
