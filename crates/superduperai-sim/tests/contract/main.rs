//! The simulator by its own wire: every fact over a real socket.

#![expect(clippy::unwrap_used, reason = "what the support module unwraps is an assertion of its test")]

mod binary;
mod control;
mod events;
mod faults;
mod files;
mod generate;
mod life;
mod media;
mod refusals;
mod support;
mod unruly;
mod validation;
mod worker;
