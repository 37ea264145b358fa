use std::{error::Error, fmt};

/// A stream was drained while it was inside of an event that did not end in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedEvent(());

impl UnfinishedEvent {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for UnfinishedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event stream was drained inside of an event that did not end in time")
    }
}

impl Error for UnfinishedEvent {}
