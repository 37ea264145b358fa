use std::time::Duration;

use http::Response;

use crate::{EventSourceError, Message};

/// What an [`EventSource`](crate::EventSource) tells, in the order in which it happens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Signal {
    /// A line stands, for the first time or again. The head of its answer may say more, such as
    /// where a replay begins.
    Opened(Response<()>),
    /// An event.
    Message(Message),
    /// A line was lost, or did not come about. Another one is tried after a while.
    Lost(Lost),
}

/// A loss, and what is done about it.
#[derive(Debug)]
pub struct Lost {
    pub(crate) attempt: u32,
    pub(crate) delay: Duration,
    pub(crate) cause: EventSourceError,
}

impl Lost {
    /// How many losses there were in a row, this one included, since the last line that was of
    /// use: 1 for a good line that was cut.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How long the wait is until the next attempt, from now.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Why the line is gone.
    #[must_use]
    pub fn cause(&self) -> &EventSourceError {
        &self.cause
    }
}
