use crate::{
    Cause, EventKind,
    rules::{Rate, Rules},
    window::Counts,
};

/// Which thresholds are exceeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exceeded {
    failure_rate: bool,
    slow_rate: bool,
    in_a_row: bool,
}

impl Exceeded {
    /// By what the window holds, and so many failures since the last success.
    pub(crate) fn of(rules: &Rules, counts: Counts, in_a_row: u32) -> Self {
        let enough = counts.calls >= rules.minimum_calls;
        Self {
            failure_rate: enough && reached(rules.failure_rate, counts.failures, counts.calls),
            slow_rate: enough && reached(rules.slow_rate, counts.slow, counts.calls),
            in_a_row: rules.failures_in_a_row.is_some_and(|most| in_a_row >= most),
        }
    }

    /// Whether trials that have all ended went badly. Without a rate of failures, every one of them has to fail.
    pub(crate) fn in_trials(rules: &Rules, counts: Counts) -> bool {
        let without = rules.failure_rate.is_none() && counts.failures == counts.calls;
        without
            || reached(rules.failure_rate, counts.failures, counts.calls)
            || reached(rules.slow_rate, counts.slow, counts.calls)
    }

    /// Whether a threshold waits for nothing but the minimum of calls, of which any may be the last.
    pub(crate) fn waits(rules: &Rules, counts: Counts) -> bool {
        let at_minimum = |rate, some| reached(rate, some, rules.minimum_calls);
        counts.calls < rules.minimum_calls
            && (at_minimum(rules.failure_rate, counts.failures) || at_minimum(rules.slow_rate, counts.slow))
    }

    /// Tells what is exceeded now and was not before.
    pub(crate) fn tell(self, before: Self, counts: Counts, in_a_row: u32, events: &mut Vec<EventKind>) {
        let share = |some: u64| some as f64 / counts.calls as f64;
        if self.failure_rate && !before.failure_rate {
            events.push(EventKind::FailureRateExceeded { rate: share(counts.failures) });
        }
        if self.slow_rate && !before.slow_rate {
            events.push(EventKind::SlowRateExceeded { rate: share(counts.slow) });
        }
        if self.in_a_row && !before.in_a_row {
            events.push(EventKind::FailuresInARow { failures: in_a_row });
        }
    }

    /// Why a circuit opens, if it does.
    pub(crate) fn cause(self) -> Option<Cause> {
        match self {
            Self { failure_rate: true, .. } => Some(Cause::FailureRate),
            Self { slow_rate: true, .. } => Some(Cause::SlowRate),
            Self { in_a_row: true, .. } => Some(Cause::FailuresInARow),
            Self { .. } => None,
        }
    }
}

fn reached(rate: Option<Rate>, some: u64, all: u64) -> bool {
    rate.is_some_and(|rate| rate.is_reached(some, all))
}
