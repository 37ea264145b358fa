//! The crate from the outside. Tests name the rows of the conformance table that they prove.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cancel;
mod common;
mod decoder;
mod drain;
mod encoder;
#[cfg(feature = "client")]
mod event_source;
mod heartbeat;
#[cfg(feature = "json")]
mod json;
mod memory;
mod properties;
mod request;
#[cfg(feature = "client")]
mod resumption;
#[cfg(feature = "client")]
mod scripted;
