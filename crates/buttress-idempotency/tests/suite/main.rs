//! The crate from the outside. Tests name the rows of the conformance table that they prove.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod answers_together;
mod bodies;
mod checks;
mod claims;
mod common;
mod defects;
mod keys;
mod leases;
mod leaving;
mod machine;
mod memory;
mod observe;
mod panics;
mod stores;
mod types;
