//! What the front page promises, through the layers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod inbound;
mod paths;
mod scope;
mod support;
mod trace;
