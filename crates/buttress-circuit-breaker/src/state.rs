use std::{error::Error, fmt};

/// How a circuit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Calls go through and are counted.
    Closed,
    /// Calls are refused until the open time is over.
    Open,
    /// A few trial calls go through, to find out whether the service is back.
    HalfOpen,
    /// Calls are refused until somebody says otherwise.
    ForcedOpen,
    /// Calls go through and nothing is counted.
    Disabled,
    /// Calls go through and are counted, and the circuit never opens: to try a policy out.
    MetricsOnly,
}

impl State {
    pub(crate) const ALL: [Self; 6] =
        [Self::Closed, Self::Open, Self::HalfOpen, Self::ForcedOpen, Self::Disabled, Self::MetricsOnly];

    /// The name as it stands in notes, events and metrics: `closed`, `open`, `half_open`, …
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }

    /// Whether somebody may take a circuit from this state to that one by hand (CBK-12).
    ///
    /// A circuit that is closed has nothing to try out, and one that only counts has no opinion: neither can become
    /// half open, and the latter cannot become open but by force.
    #[must_use]
    pub const fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (Self::Closed, Self::HalfOpen) | (Self::MetricsOnly, Self::Open | Self::HalfOpen) => false,
            (Self::Closed | Self::Open | Self::HalfOpen | Self::ForcedOpen | Self::Disabled | Self::MetricsOnly, _) => {
                true
            }
        }
    }

    /// Whether results go into the window.
    pub(crate) const fn counts(self) -> bool {
        matches!(self, Self::Closed | Self::MetricsOnly)
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
            Self::ForcedOpen => 3,
            Self::Disabled => 4,
            Self::MetricsOnly => 5,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A circuit cannot be taken from one state to the other by hand: see [`State::may_become`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTransition {
    pub(crate) from: State,
    pub(crate) to: State,
}

impl InvalidTransition {
    /// How the circuit stood, and still stands.
    #[must_use]
    pub fn from(self) -> State {
        self.from
    }

    /// What was asked of it.
    #[must_use]
    pub fn to(self) -> State {
        self.to
    }
}

impl fmt::Display for InvalidTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a circuit that is {} cannot become {}", self.from, self.to)
    }
}

impl Error for InvalidTransition {}
