//! Keeps the panics of stores and seals to itself: what panics has failed (IDM-19, IDM-20).

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::telemetry;

/// It panicked, which has been told.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Lets a store or a seal do something for a key. What was begun then is not asked for more.
#[inline]
pub(crate) fn contained<T>(what: &'static str, ask: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(ask)).map_err(|_| {
        telemetry::panicked(what);
        Panicked
    })
}
