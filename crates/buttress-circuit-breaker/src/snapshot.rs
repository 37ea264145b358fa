use std::{sync::Arc, time::Duration};

use crate::{
    State,
    circuit::Machine,
    telemetry::Telemetry,
    window::{Counts, Nanos},
};

/// How a circuit stands at one moment: for `/healthz`, a dashboard or a test.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The name that the layer was given.
    pub name: Arc<str>,
    /// The key of the circuit; `None` of one without.
    pub key: Option<Arc<str>>,
    /// How it stands. An open circuit stays open until a call comes, even if its open time is over.
    pub state: State,
    /// How many states it has been in before.
    pub generation: u64,
    /// Calls in the window; of a half-open circuit, its trials that have ended.
    pub calls: u64,
    /// Failures among them.
    pub failures: u64,
    /// Failures among these for no word of the service: connections, time-outs, bodies that broke.
    pub local_failures: u64,
    /// Slow calls among them.
    pub slow_calls: u64,
    /// Failures since the last success.
    pub failures_in_a_row: u32,
    /// Trial calls that are running.
    pub trials_running: u64,
    /// How long until an open circuit lets a call through; zero when it would do so now. `None` in every other state.
    pub remaining: Option<Duration>,
}

impl Snapshot {
    pub(crate) fn of(machine: &Machine, now: Nanos, telemetry: &Telemetry) -> Self {
        let Counts { calls, failures, slow, local } = machine.counts();
        let state = machine.state();
        let remaining = Duration::from_nanos(machine.until().saturating_sub(now));
        Self {
            name: telemetry.name.clone(),
            key: telemetry.key.clone(),
            state,
            generation: machine.generation(),
            calls,
            failures,
            local_failures: local,
            slow_calls: slow,
            failures_in_a_row: machine.failures_in_a_row(),
            trials_running: machine.trials_running(now),
            remaining: (state == State::Open).then_some(remaining),
        }
    }

    /// The share of failures, from 0 to 1; `None` without a call.
    #[must_use]
    pub fn failure_rate(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.failures as f64 / self.calls as f64)
    }

    /// The share of slow calls, from 0 to 1; `None` without a call.
    #[must_use]
    pub fn slow_rate(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.slow_calls as f64 / self.calls as f64)
    }
}
