//! The crate from the outside. Tests name the rows of the conformance table that they prove.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod common;
mod ends;
mod lines;
#[cfg(feature = "metrics")]
mod metrics;
mod notes;
mod outbound;
mod sentry;
mod types;
