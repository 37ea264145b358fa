//! In place of `meter.rs` where nothing is to be counted.

use tokio::time::Instant;

use crate::counted::Counted;

#[derive(Default)]
pub(crate) struct Meter;

impl Meter {
    pub(crate) fn count(&self, _: &Counted<'_>, _: Instant) {}
}
