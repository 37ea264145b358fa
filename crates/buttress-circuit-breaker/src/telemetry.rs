use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tracing::{debug, info, warn};

use crate::{
    Event, EventKind,
    meter::{Census, Meter},
    policy::Hook,
};

/// Tells the world what happens to a circuit. Called without a lock.
pub(crate) struct Telemetry {
    pub(crate) name: Arc<str>,
    pub(crate) key: Option<Arc<str>>,
    pub(crate) census: Arc<Census>,
    meter: Meter,
    hook: Option<Hook>,
}

impl Telemetry {
    pub(crate) fn new(name: Arc<str>, key: Option<Arc<str>>, census: Arc<Census>, hook: Option<Hook>) -> Self {
        Self { meter: Meter::new(name.clone()), name, key, census, hook }
    }

    /// Counts successes that nobody was told of, and tells everything else. Whatever panics in a subscriber, a recorder
    /// or a hook costs the word and not the call.
    pub(crate) fn tell(&self, successes: u64, events: Vec<EventKind>) {
        if successes > 0 {
            contain(|| self.meter.succeed(successes));
        }
        for kind in events {
            contain(|| self.count(&kind));
            contain(|| self.log(&kind));
            if let Some(hook) = &self.hook {
                contain(|| hook(&Event::new(&self.name, self.key.as_deref(), kind)));
            }
        }
    }

    fn count(&self, kind: &EventKind) {
        if let EventKind::Transition { from, to, .. } = kind {
            self.census.move_on(*from, *to);
        }
        self.meter.count(kind);
    }

    fn log(&self, kind: &EventKind) {
        let (breaker, key) = (&*self.name, self.key.as_deref());
        match kind {
            EventKind::Transition { from, to, cause, origin, open_for } => {
                let (from, to, cause) = (from.as_str(), to.as_str(), cause.as_str());
                let origin = origin.map(|origin| origin.as_str());
                let open_ms = open_for.map(|time| time.as_secs_f64() * 1e3);
                if matches!(to, "open" | "forced_open") {
                    warn!(breaker, key, from, to, cause, origin, open_ms, "breaker_transition");
                } else {
                    info!(breaker, key, from, to, cause, origin, "breaker_transition");
                }
            }
            EventKind::Reset => info!(breaker, key, "breaker_reset"),
            EventKind::Refused { wait } => {
                let wait_ms = wait.map(|wait| wait.as_secs_f64() * 1e3);
                debug!(breaker, key, wait_ms, "breaker_refused");
            }
            EventKind::Failure { origin, slow } => {
                debug!(breaker, key, origin = origin.as_str(), slow, "breaker_failure");
            }
            EventKind::FailureRateExceeded { rate } => info!(breaker, key, rate, "breaker_failure_rate_exceeded"),
            EventKind::SlowRateExceeded { rate } => info!(breaker, key, rate, "breaker_slow_rate_exceeded"),
            EventKind::FailuresInARow { failures } => info!(breaker, key, failures, "breaker_failures_in_a_row"),
            EventKind::Success { .. } | EventKind::Ignored | EventKind::Late => {}
        }
    }
}

/// Runs what must not harm the call, even if it panics.
pub(crate) fn contain(run: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(run)));
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, key, census: _, meter: _, hook } = self;
        f.debug_struct("Telemetry").field("name", name).field("key", key).field("on_event", &hook.is_some()).finish()
    }
}
