//! The binary `sluicegate`: an allocator that is fast with many buffers and small while idle, and the program.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sluicegate::main()
}
