//! How long things last. Bad values cannot be made.

use std::{error::Error, fmt, time::Duration};

/// How long an answer is replayed, and how long its key is remembered (IDM-18).
///
/// In between, a request with the key is told that the result has expired; it does not run again. The default is 24 hours
/// and 72 hours, from the end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    answer: Duration,
    key: Duration,
}

impl Retention {
    /// Replays an answer for `answer`, and remembers its key for `key`.
    ///
    /// # Errors
    ///
    /// When an answer would not last, or would outlast its key, or the key a hundred years.
    pub fn new(answer: Duration, key: Duration) -> Result<Self, InvalidSetting> {
        InvalidSetting::unless(!answer.is_zero(), "an answer is kept for more than no time")?;
        InvalidSetting::unless(key >= answer, "a key is remembered for at least as long as its answer")?;
        if key > LONGEST {
            return Err(InvalidSetting("a key is remembered for at most a hundred years"));
        }
        Ok(Self { answer, key })
    }

    /// How long an answer is replayed.
    #[must_use]
    pub const fn answer(&self) -> Duration {
        self.answer
    }

    /// How long a key is remembered.
    #[must_use]
    pub const fn key(&self) -> Duration {
        self.key
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { answer: 24 * HOUR, key: 72 * HOUR }
    }
}

/// How long a run counts as running without a word from its server: 30 seconds by default, renewed at each third.
///
/// When a server dies, the key of what it ran is free, or uncertain, after so long (IDM-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(Duration);

impl Lease {
    /// A lease of that length.
    ///
    /// # Errors
    ///
    /// When it is shorter than 10 milliseconds or longer than a day.
    pub fn new(duration: Duration) -> Result<Self, InvalidSetting> {
        if (Duration::from_millis(10)..=24 * HOUR).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(InvalidSetting("a lease lasts 10 milliseconds to a day"))
        }
    }

    /// Its length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// How long after it began it is renewed.
    pub(crate) fn renewal(self) -> Duration {
        self.0 / 3
    }
}

impl Default for Lease {
    fn default() -> Self {
        Self(Duration::from_secs(30))
    }
}

/// A setting that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSetting(pub(crate) &'static str);

impl InvalidSetting {
    pub(crate) fn unless(holds: bool, what: &'static str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self(what)) }
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidSetting {}

const HOUR: Duration = Duration::from_secs(3_600);
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);
