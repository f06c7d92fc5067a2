//! The program between scripted clients and scripted targets, byte by byte.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::similar_names, clippy::unwrap_used)]

mod addresses;
mod attempts;
mod balancing;
mod bodies;
mod connections;
mod draining;
mod early;
mod egress;
mod failover;
mod fallback;
mod headers;
mod http2;
mod interim;
mod limits;
mod pipelining;
mod pools;
mod refused;
mod reload;
mod retries;
mod routing;
mod seeing;
mod shutdown;
mod startup;
mod streams;
mod tls;
mod upgrades;
