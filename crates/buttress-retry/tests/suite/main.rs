//! The crate from the outside. Tests name the rows of the conformance table and the defects of peers that they prove.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod bodies;
mod cancel;
mod common;
mod deadlines;
mod outage;
mod policies;
mod ready;
mod sockets;
mod telemetry;
mod tries;
mod types;
mod waits;
