use std::{error::Error, fmt, time::Duration};

/// How much a [`MemoryLog`](crate::MemoryLog) keeps.
///
/// | bound | default | over it |
/// |---|---|---|
/// | [`events`](Self::events) of one stream | 1000 | its oldest are evicted |
/// | [`bytes`](Self::bytes) of one stream | 1 MiB | its oldest are evicted, but never its newest |
/// | [`age`](Self::age) of a finished stream | 10 minutes | it is forgotten |
/// | [`streams`](Self::streams) of the log | 10 000 | the first that finished is forgotten; if none has, no new one |
///
/// A live stream is never forgotten for its age. At worst a log holds `streams` times `bytes`, and up to 8 KiB more for
/// each stream: its events lie side by side in pieces of up to 4 KiB, which go as a whole.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    events: usize,
    bytes: usize,
    age: Duration,
    streams: usize,
}

impl Retention {
    /// The most events of one stream, at least one.
    pub fn events(self, events: usize) -> Self {
        Self { events, ..self }
    }

    /// The most bytes of one stream's events, as they go over the wire, at least one. The newest
    /// event is kept even if it alone is larger.
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// How long a stream is kept after it has finished, not zero.
    pub fn age(self, age: Duration) -> Self {
        Self { age, ..self }
    }

    /// The most streams, live and finished together, at least one.
    pub fn streams(self, streams: usize) -> Self {
        Self { streams, ..self }
    }

    pub(crate) fn check(self) -> Result<Checked, InvalidRetention> {
        let Self { events, bytes, age, streams } = self;
        let faults =
            [(events == 0, "events"), (bytes == 0, "bytes"), (age.is_zero(), "age"), (streams == 0, "streams")];
        match faults.into_iter().find(|(zero, _)| *zero) {
            Some((_, bound)) => Err(InvalidRetention { bound }),
            None => Ok(Checked { events, bytes, age, streams }),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: 1000, bytes: 1 << 20, age: Duration::from_secs(600), streams: 10_000 }
    }
}

/// A retention without a zero in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
    pub(crate) streams: usize,
}

/// A [`Retention`] with a bound of zero, under which no history could exist (SSE-58).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRetention {
    bound: &'static str,
}

impl fmt::Display for InvalidRetention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the bound `{}` of the retention is zero", self.bound)
    }
}

impl Error for InvalidRetention {}
