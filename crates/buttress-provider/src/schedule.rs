use std::time::Duration;

use thiserror::Error;

/// When to look after a job, and when to give up.
///
/// | | default | |
/// |---|---|---|
/// | [`first`](Self::first) | 2 s | between the first two looks |
/// | [`cap`](Self::cap) | 10 s | between two looks at most; the time in between grows by half each time |
/// | [`deadline`](Self::deadline) | 20 min | from the start to a failure with `provider_timeout` |
/// | [`outage`](Self::outage) | 30 s | without any good answer from the provider, to a failure with its last error |
/// | [`grace`](Self::grace) | 30 s | during which a job may still be unknown to the provider that accepted it |
///
/// A wait that the provider asks for is kept, up to a minute at a time. At the deadline the job is looked at once more.
/// Every other wait is jittered by a fifth up or down, so that many jobs do not tick together (AIC-6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Schedule {
    pub(crate) first: Duration,
    pub(crate) cap: Duration,
    pub(crate) deadline: Duration,
    pub(crate) outage: Duration,
    pub(crate) grace: Duration,
}

/// A setting with which a [`Schedule`] could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidSchedule(&'static str);

impl Default for Schedule {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            cap: Duration::from_secs(10),
            deadline: Duration::from_secs(20 * 60),
            outage: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        }
    }
}

impl Schedule {
    /// No two looks that nothing prompted are nearer than this, whatever hints say.
    pub(crate) const MIN_GAP: Duration = Duration::from_millis(250);

    /// A provider that asks for a longer wait is asked again after this one: its job may be done long before.
    pub(crate) const MAX_HOLD: Duration = Duration::from_secs(60);

    /// How long the look at the deadline may take.
    pub(crate) const LAST_LOOK: Duration = Duration::from_secs(10);

    /// The wait between the first two looks.
    ///
    /// # Errors
    ///
    /// Below 1 ms it would be a busy loop.
    pub fn first(self, first: Duration) -> Result<Self, InvalidSchedule> {
        Self { first, ..self }.check()
    }

    /// The longest wait between two looks.
    ///
    /// # Errors
    ///
    /// When it is shorter than the first wait: set that one before.
    pub fn cap(self, cap: Duration) -> Result<Self, InvalidSchedule> {
        Self { cap, ..self }.check()
    }

    /// How long a job may take.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How long the provider may be out of reach in one go.
    pub fn outage(self, outage: Duration) -> Self {
        Self { outage, ..self }
    }

    /// How long a new job may be unknown to the provider.
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    fn check(self) -> Result<Self, InvalidSchedule> {
        if self.first < Duration::from_millis(1) {
            return Err(InvalidSchedule("the first wait between two looks is at least 1 ms"));
        }
        if self.cap < self.first {
            return Err(InvalidSchedule("the longest wait between two looks is not shorter than the first"));
        }
        Ok(self)
    }

    /// The wait after `wait`.
    pub(crate) fn grown(&self, wait: Duration) -> Duration {
        wait.saturating_mul(3).checked_div(2).unwrap_or(self.cap).min(self.cap)
    }

    /// `wait`, a fifth up or down; `random` is from 0 to 1.
    pub(crate) fn jittered(wait: Duration, random: f64) -> Duration {
        wait.mul_f64(0.8 + 0.4 * random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // AIC-6
    #[test]
    fn waits_grow_to_the_cap_and_stay_there() {
        let schedule = Schedule::default();
        let waits: Vec<_> = std::iter::successors(Some(schedule.first), |wait| Some(schedule.grown(*wait)))
            .take(7)
            .map(|wait| wait.as_millis())
            .collect();
        assert_eq!(waits, [2_000, 3_000, 4_500, 6_750, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn jitter_is_a_fifth_up_or_down() {
        let wait = Duration::from_secs(10);
        assert_eq!(Schedule::jittered(wait, 0.0), Duration::from_secs(8));
        assert_eq!(Schedule::jittered(wait, 1.0), Duration::from_secs(12));
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        assert!(Schedule::default().first(Duration::ZERO).is_err());
        assert!(Schedule::default().first(Duration::from_secs(11)).is_err());
        assert!(Schedule::default().cap(Duration::from_secs(1)).is_err());
        assert_eq!(Schedule::default().grown(Duration::MAX), Duration::from_secs(10));
    }
}
