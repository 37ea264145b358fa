use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Key, Label, Metadata, SharedString, Unit, describe_counter, describe_gauge, with_recorder};

use crate::{EventKind, Origin, State, telemetry::contain};

const CALLS: &str = "buttress_breaker_calls_total";
const SLOW: &str = "buttress_breaker_slow_calls_total";
const TRANSITIONS: &str = "buttress_breaker_transitions_total";
const CIRCUITS: &str = "buttress_breaker_circuits";

const METADATA: Metadata<'static> =
    Metadata::new("buttress_circuit_breaker", metrics::Level::INFO, Some(module_path!()));

/// Counts what happens. Labels have few values: the key of a circuit is none of them.
pub(crate) struct Meter {
    name: Arc<str>,
}

impl Meter {
    pub(crate) fn new(name: Arc<str>) -> Self {
        Self { name }
    }

    pub(crate) fn succeed(&self, calls: u64) {
        self.calls("success", None, calls);
    }

    pub(crate) fn count(&self, kind: &EventKind) {
        match kind {
            EventKind::Success { slow } => {
                self.succeed(1);
                self.slow(*slow);
            }
            EventKind::Failure { origin, slow } => {
                self.calls("failure", Some(*origin), 1);
                self.slow(*slow);
            }
            EventKind::Ignored => self.calls("ignored", None, 1),
            EventKind::Late => self.calls("late", None, 1),
            EventKind::Refused { .. } => self.calls("refused", None, 1),
            EventKind::Transition { from, to, cause, origin, .. } => {
                let labels = [("from", from.as_str()), ("to", to.as_str()), ("cause", cause.as_str())];
                self.increment(TRANSITIONS, labels.into_iter().chain([of(*origin)]), 1);
            }
            EventKind::Reset
            | EventKind::FailureRateExceeded { .. }
            | EventKind::SlowRateExceeded { .. }
            | EventKind::FailuresInARow { .. } => {}
        }
    }

    fn calls(&self, outcome: &'static str, origin: Option<Origin>, calls: u64) {
        self.increment(CALLS, [("outcome", outcome), of(origin)], calls);
    }

    fn slow(&self, slow: bool) {
        if slow {
            self.increment(SLOW, [], 1);
        }
    }

    fn increment(
        &self,
        counter: &'static str,
        labels: impl IntoIterator<Item = (&'static str, &'static str)>,
        by: u64,
    ) {
        let key = key(&self.name, counter, labels);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA).increment(by));
    }
}

fn of(origin: Option<Origin>) -> (&'static str, &'static str) {
    ("origin", origin.map_or("none", Origin::as_str))
}

fn key(name: &Arc<str>, metric: &'static str, labels: impl IntoIterator<Item = (&'static str, &'static str)>) -> Key {
    let breaker = Label::new("breaker", SharedString::from(name.clone()));
    let others = labels.into_iter().map(|(key, value)| Label::from_static_parts(key, value));
    Key::from_parts(metric, [breaker].into_iter().chain(others).collect::<Vec<_>>())
}

/// Gauges how many circuits of a layer are in each state.
pub(crate) struct Census {
    name: Arc<str>,
    standing: Mutex<[u64; State::ALL.len()]>,
}

impl Census {
    pub(crate) fn new(name: Arc<str>) -> Self {
        describe_counter!(CALLS, Unit::Count, "Calls by what they said about the service");
        describe_counter!(SLOW, Unit::Count, "Calls that took longer than the limit");
        describe_counter!(TRANSITIONS, Unit::Count, "Transitions of circuits");
        describe_gauge!(CIRCUITS, Unit::Count, "Circuits in each state");
        Self { name, standing: Mutex::default() }
    }

    pub(crate) fn add(&self, state: State) {
        self.change(|standing| standing[state.index()] += 1);
    }

    pub(crate) fn remove(&self, state: State) {
        self.change(|standing| leave(standing, state));
    }

    pub(crate) fn move_on(&self, from: State, to: State) {
        self.change(|standing| {
            leave(standing, from);
            standing[to.index()] += 1;
        });
    }

    /// Sets the gauges, for a recorder that came late.
    pub(crate) fn publish(&self) {
        self.change(|_| {});
    }

    fn change(&self, change: impl FnOnce(&mut [u64; State::ALL.len()])) {
        // The recorder is told under the lock: else an older count may be what it hears last.
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut standing);
        for state in State::ALL {
            let key = key(&self.name, CIRCUITS, [("state", state.as_str())]);
            let set = || with_recorder(|to| to.register_gauge(&key, &METADATA).set(standing[state.index()] as f64));
            contain(set);
        }
    }
}

fn leave(standing: &mut [u64; State::ALL.len()], state: State) {
    // Two threads may tell of two transitions in either order.
    standing[state.index()] = standing[state.index()].saturating_sub(1);
}

impl std::fmt::Debug for Census {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Census").field("name", &self.name).finish_non_exhaustive()
    }
}
