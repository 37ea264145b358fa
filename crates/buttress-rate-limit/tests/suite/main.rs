//! The crate from the outside. Tests name the rows of the conformance table that they prove.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod address;
mod checks;
mod common;
mod concurrency;
mod contract;
mod failures;
mod fields;
mod hammer;
mod limits;
mod memory;
mod properties;
mod settle;
mod streams;
mod telling;
mod throttle;
