//! What the layers do, as their callers see it.
#![cfg(not(loom))]

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
