use std::time::Duration;

use buttress_core::Attempt;
use http::StatusCode;

/// Why a call is tried again, or was not good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The server answered with this status.
    Status(StatusCode),
    /// A layer on this side refused with this status: its name.
    Refused(&'static str, StatusCode),
    /// The service below failed.
    Error,
    /// The try took too long.
    TimedOut,
}

impl Cause {
    /// `status`, `refused`, `error` or `timed_out`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Refused(..) => "refused",
            Self::Error => "error",
            Self::TimedOut => "timed_out",
        }
    }

    /// The status of the answer, if there was one.
    #[must_use]
    pub const fn status(self) -> Option<StatusCode> {
        match self {
            Self::Status(status) | Self::Refused(_, status) => Some(status),
            Self::Error | Self::TimedOut => None,
        }
    }

    /// The layer on this side that refused, if one did.
    #[must_use]
    pub const fn layer(self) -> Option<&'static str> {
        match self {
            Self::Refused(layer, _) => Some(layer),
            _ => None,
        }
    }
}

/// Why a failure is handed on although another try might have done better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// That was the last of the tries.
    Attempts,
    /// The budget is spent.
    Budget,
    /// The next try would come after the deadline.
    Deadline,
    /// The server wants to be left alone for longer than the layer waits.
    LongWait,
    /// The request's body is larger than what is kept of one.
    BodyTooLarge,
    /// The request's body was not read to its end, and what was read of it is gone.
    BodyUnfinished,
    /// The request may not be sent twice.
    Unrepeatable,
}

impl Why {
    /// The name, in snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Budget => "budget",
            Self::Deadline => "deadline",
            Self::LongWait => "long_wait",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyUnfinished => "body_unfinished",
            Self::Unrepeatable => "unrepeatable",
        }
    }
}

/// A call is about to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retrying {
    /// The try that failed.
    pub failed: Attempt,
    /// What was wrong with it.
    pub cause: Cause,
    /// How long until the next one.
    pub delay: Duration,
}

/// A failure is handed on although another try might have done better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GaveUp {
    /// The last try.
    pub failed: Attempt,
    /// What was wrong with it.
    pub cause: Cause,
    /// Why there is no further one.
    pub why: Why,
}
