//! The adapter against the simulator over real sockets, and against canned answers where no socket is needed.

#![expect(clippy::unwrap_used, reason = "a test ends where its ground is not firm")]

mod create;
mod doubt;
mod events;
mod fixtures;
mod models;
mod outage;
mod reads;
mod refusals;
mod secrets;
mod stack;
mod support;
mod uploads;
