//! The crate from the outside. Tests name the rows of the conformance table that they prove.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cancel;
mod common;
mod decoder;
mod drain;
mod encoder;
mod heartbeat;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "conformance")]
mod log;
mod memory;
mod properties;
mod request;
#[cfg(feature = "resume")]
mod resume;
#[cfg(feature = "resume")]
mod resume_cuts;
#[cfg(feature = "resume")]
mod resume_far;
#[cfg(feature = "resume")]
mod stage;
