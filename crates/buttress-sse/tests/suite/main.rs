//! The crate from the outside. Tests name the rows of the conformance table that they prove.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod border;
mod cancel;
mod checks;
mod common;
mod decoder;
mod drain;
#[cfg(feature = "layer")]
mod drain_layer;
mod encoder;
#[cfg(feature = "client")]
mod event_source;
#[cfg(feature = "layer")]
mod graceful;
mod heartbeat;
#[cfg(feature = "layer")]
mod heartbeat_layer;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "conformance")]
mod log;
mod memory;
mod properties;
#[cfg(feature = "resume")]
mod races;
mod request;
#[cfg(feature = "resume")]
mod resume;
#[cfg(feature = "resume")]
mod resume_cuts;
#[cfg(feature = "resume")]
mod resume_ending;
#[cfg(feature = "resume")]
mod resume_far;
#[cfg(feature = "resume")]
mod resume_slow;
#[cfg(feature = "client")]
mod resumption;
#[cfg(feature = "layer")]
mod script;
#[cfg(feature = "client")]
mod scripted;
#[cfg(feature = "resume")]
mod stage;
