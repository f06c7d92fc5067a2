//! Benchmarks: of the hot path (`benches/`, with criterion), and of the control plane beside a real API server.

pub mod control;
pub mod request;
