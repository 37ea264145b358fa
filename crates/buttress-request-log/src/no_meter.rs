//! In place of `meter.rs` where nothing is to be counted.

use tokio::time::Instant;

use crate::Record;

#[derive(Default)]
pub(crate) struct Meter;

impl Meter {
    pub(crate) fn count(&self, _: &Record, _: Instant) {}
}
