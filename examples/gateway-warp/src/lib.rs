//! The gateway of `main.rs` for tests, which start it within their own process.

#[path = "main.rs"]
#[expect(dead_code, reason = "a library is not started")]
mod main;

pub use main::serve;
