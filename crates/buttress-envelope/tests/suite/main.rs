//! The layer as its users see it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bounds;
mod cancel;
mod client;
mod decode;
mod errors;
mod fail;
mod foreign;
mod legacy;
mod modes;
mod pass;
mod support;
mod told;
mod wrap;
