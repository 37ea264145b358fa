//! In place of `meter.rs` where nothing is to be counted.

use crate::Failure;

pub(crate) struct Meter;

impl Meter {
    pub(crate) fn new(_: &'static str) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as the other one has it")]
    pub(crate) fn refused(&self, _: bool) {}
}

pub(crate) fn failed(_: &'static str, _: Failure) {}

pub(crate) fn throttled() {}
