use std::{fmt, time::Duration};

use crate::State;

/// Something that happened to a circuit, as a hook is told of it (CBK-14).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The name that the layer was given.
    pub name: &'a str,
    /// The key of the circuit; `None` of one without.
    pub key: Option<&'a str>,
    /// What happened.
    pub kind: EventKind,
}

impl<'a> Event<'a> {
    pub(crate) fn new(name: &'a str, key: Option<&'a str>, kind: EventKind) -> Self {
        Self { name, key, kind }
    }
}

/// What happened to a circuit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A call was a success.
    Success {
        /// It took longer than the limit for slow calls.
        slow: bool,
    },
    /// A call was a failure.
    Failure {
        /// Whose word it is.
        origin: Origin,
        /// It took longer than the limit for slow calls.
        slow: bool,
    },
    /// A call said nothing about the service.
    Ignored,
    /// A call ended after the circuit had gone on to another state, or after its trial had lapsed: it changes nothing.
    Late,
    /// A call was refused.
    Refused {
        /// How long until it is worth another try; `None` if nobody knows.
        wait: Option<Duration>,
    },
    /// The circuit went from one state to another. Never to the same.
    Transition {
        /// How it stood.
        from: State,
        /// How it stands.
        to: State,
        /// Why.
        cause: Cause,
        /// Whose word most of the failures were that led to it; `None` if none did.
        origin: Option<Origin>,
        /// How long it will be open, if it is.
        open_for: Option<Duration>,
    },
    /// The window was emptied by hand, and the circuit closed.
    Reset,
    /// The share of failures has reached its threshold.
    FailureRateExceeded {
        /// From 0 to 1.
        rate: f64,
    },
    /// The share of slow calls has reached its threshold.
    SlowRateExceeded {
        /// From 0 to 1.
        rate: f64,
    },
    /// That many calls in a row were failures.
    FailuresInARow {
        /// How many.
        failures: u32,
    },
}

/// Why a circuit went to another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Too large a share of the calls were failures.
    FailureRate,
    /// Too large a share of the calls were slow.
    SlowRate,
    /// Too many calls in a row were failures.
    FailuresInARow,
    /// The open time was over, and a call came.
    OpenTimeOver,
    /// The trial calls went well.
    TrialsSucceeded,
    /// They did not.
    TrialsFailed,
    /// The trial calls came to no result in time.
    HalfOpenTimeOver,
    /// Somebody said so.
    Manual,
}

impl Cause {
    /// The name as it stands in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureRate => "failure_rate",
            Self::SlowRate => "slow_rate",
            Self::FailuresInARow => "failures_in_a_row",
            Self::OpenTimeOver => "open_time_over",
            Self::TrialsSucceeded => "trials_succeeded",
            Self::TrialsFailed => "trials_failed",
            Self::HalfOpenTimeOver => "half_open_time_over",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose word a failure is (CBK-17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The service said so, by a status.
    Peer,
    /// We never had its word, or not the whole of it: no connection, a time-out, a body that broke, a panic, a call that
    /// was given up.
    Local,
}

impl Origin {
    /// The name as it stands in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
