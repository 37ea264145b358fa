use std::ops::{AddAssign, SubAssign};

use crate::{Origin, count_window::CountWindow, time_window::TimeWindow};

/// Nanoseconds since a circuit was made.
pub(crate) type Nanos = u64;

/// What one call was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
    /// It failed for no word of the peer: a connection, a time-out, a body that broke.
    pub(crate) local: bool,
}

impl Sample {
    pub(crate) const SUCCESS: Self = Self { failed: false, slow: false, local: false };
}

/// What many calls were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) slow: u64,
    pub(crate) local: u64,
}

impl Counts {
    pub(crate) const fn successes(calls: u64) -> Self {
        Self { calls, failures: 0, slow: 0, local: 0 }
    }

    /// Whose word most failures are; the peer's, if as many are ours (CBK-17).
    pub(crate) fn origin(self) -> Option<Origin> {
        let peer = self.failures - self.local;
        (self.failures > 0).then_some(if self.local > peer { Origin::Local } else { Origin::Peer })
    }
}

impl From<Sample> for Counts {
    fn from(sample: Sample) -> Self {
        let Sample { failed, slow, local } = sample;
        Self { calls: 1, failures: failed.into(), slow: slow.into(), local: local.into() }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
        self.local += other.local;
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
        self.local -= other.local;
    }
}

/// The results that count: the last so many, or those of the last so many buckets of time.
///
/// Its memory is fixed, and its sums are kept, not computed.
#[derive(Debug)]
pub(crate) enum Results {
    Calls(CountWindow),
    Time(TimeWindow),
}

impl Results {
    /// Lets go of what is too old at `bucket`.
    pub(crate) fn advance(&mut self, bucket: u64) {
        match self {
            Self::Calls(_) => {}
            Self::Time(window) => window.advance(bucket),
        }
    }

    pub(crate) fn record(&mut self, bucket: u64, sample: Sample) {
        match self {
            Self::Calls(window) => window.push(sample),
            Self::Time(window) => window.add(bucket, sample.into()),
        }
    }

    /// Adds as many quick successes.
    pub(crate) fn succeed(&mut self, bucket: u64, calls: u64) {
        match self {
            Self::Calls(window) => window.succeed(calls),
            Self::Time(window) => window.add(bucket, Counts::successes(calls)),
        }
    }

    pub(crate) fn sum(&self) -> Counts {
        match self {
            Self::Calls(window) => window.sum(),
            Self::Time(window) => window.sum(),
        }
    }

    /// The bucket that results go into now; 0 of calls.
    pub(crate) fn bucket(&self) -> u64 {
        match self {
            Self::Calls(_) => 0,
            Self::Time(window) => window.bucket(),
        }
    }

    pub(crate) fn clear(&mut self) {
        match self {
            Self::Calls(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }
}
