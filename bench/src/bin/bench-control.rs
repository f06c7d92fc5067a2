//! `make bench-control`: how fast an edit reaches traffic, and what it costs the controller, the proxies and the cluster.

use std::process::ExitCode;

fn main() -> ExitCode {
    sluicegate_bench::control::main()
}
