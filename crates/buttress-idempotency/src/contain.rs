//! Keeps the panics of a store to itself: one that panics is one that fails (IDM-19, IDM-20).

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::telemetry;

/// The store panicked, which has been told.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Lets the store do something for a key. What was begun then is not asked for more.
#[inline]
pub(crate) fn contained<T>(what: &'static str, ask: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(ask)).map_err(|_| {
        telemetry::store_panicked(what);
        Panicked
    })
}
