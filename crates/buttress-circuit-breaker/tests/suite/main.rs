//! The crate from the outside. Tests name the rows of the conformance table that they prove.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod cancel;
mod common;
mod events;
mod gone;
mod keys;
mod manual;
#[cfg(feature = "metrics")]
mod metrics;
mod model;
mod outage;
mod panics;
mod policy;
mod polly;
mod readiness;
mod regressions;
mod tables;
mod trials;
