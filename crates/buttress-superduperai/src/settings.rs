use std::time::Duration;

use buttress_provider::{MediaKind, Schedule};
use thiserror::Error;
use tokio::time::Instant;

/// How to listen to the events of a job, which only ever accelerate: see
/// [`SuperDuperAi::events`](crate::SuperDuperAi::events).
///
/// | | default | |
/// |---|---|---|
/// | [`silence`](Self::silence) | 45 s | without a byte, after which the line is dead |
/// | [`reconnect`](Self::reconnect) | 1 s to 30 s | before the next line, doubled after each line that told nothing, jittered |
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct EventChannel {
    pub(crate) silence: Duration,
    pub(crate) first: Duration,
    pub(crate) cap: Duration,
}

/// A setting that could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidSetting(pub(crate) &'static str);

impl Default for EventChannel {
    fn default() -> Self {
        Self { silence: Duration::from_secs(45), first: Duration::from_secs(1), cap: Duration::from_secs(30) }
    }
}

impl EventChannel {
    /// How long a line may be without a byte, its first one included. The provider sends a comment every 15 s.
    ///
    /// # Errors
    ///
    /// Zero would end every line at once.
    pub fn silence(self, silence: Duration) -> Result<Self, InvalidSetting> {
        if silence.is_zero() {
            return Err(InvalidSetting("a line of events may be silent for more than no time"));
        }
        Ok(Self { silence, ..self })
    }

    /// The waits before the second line and before any later one.
    ///
    /// # Errors
    ///
    /// Below 1 ms it would be a busy loop, and the first wait is not longer than the cap.
    pub fn reconnect(self, first: Duration, cap: Duration) -> Result<Self, InvalidSetting> {
        if first < Duration::from_millis(1) {
            return Err(InvalidSetting("the first wait before a reconnect is at least 1 ms"));
        }
        if cap < first {
            return Err(InvalidSetting("the longest wait before a reconnect is not shorter than the first"));
        }
        Ok(Self { first, cap, ..self })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) attempt: Duration,
    pub(crate) operation: Duration,
    /// A layer beneath sees to single attempts.
    pub(crate) tried_beneath: bool,
    pub(crate) upload_idle: Duration,
    pub(crate) upload_total: Duration,
    pub(crate) lookup_pause: Duration,
    pub(crate) model_ttl: Duration,
    pub(crate) image: Schedule,
    pub(crate) video: Schedule,
    pub(crate) events: Option<EventChannel>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            operation: Duration::from_secs(30),
            tried_beneath: false,
            upload_idle: Duration::from_secs(30),
            upload_total: Duration::from_secs(5 * 60),
            lookup_pause: Duration::from_secs(1),
            model_ttl: Duration::from_secs(60 * 60),
            image: Schedule::default().deadline(Duration::from_secs(10 * 60)),
            video: Schedule::default().deadline(Duration::from_secs(20 * 60)),
            events: Some(EventChannel::default()),
        }
    }
}

impl Settings {
    pub(crate) fn schedule(&self, kind: MediaKind) -> &Schedule {
        match kind {
            MediaKind::Image => &self.image,
            _ => &self.video,
        }
    }

    /// The time of one operation, from now.
    pub(crate) fn budget(&self) -> Budget {
        let call = if self.tried_beneath { self.operation } else { self.attempt };
        Budget { call, until: after(self.operation) }
    }
}

/// The time that is left for one operation, and for each of its calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    call: Duration,
    pub(crate) until: Instant,
}

impl Budget {
    /// When a call that starts now has to be over.
    pub(crate) fn call(&self) -> Instant {
        after(self.call).min(self.until)
    }

    /// The same for a call whose outcome may have to be looked up: a third of the time left is kept for that.
    pub(crate) fn call_to_be_looked_up(&self) -> Instant {
        let left = self.until.saturating_duration_since(Instant::now());
        after(self.call.min(left * 2 / 3))
    }
}

/// In `wait`, or in so long that nobody will see it.
pub(crate) fn after(wait: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    Instant::now() + wait.min(YEARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let second = Duration::from_secs(1);
        assert!(EventChannel::default().silence(Duration::ZERO).is_err());
        assert!(EventChannel::default().reconnect(Duration::ZERO, second).is_err());
        assert!(EventChannel::default().reconnect(second * 2, second).is_err());
        assert!(EventChannel::default().reconnect(second, second).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_third_of_the_time_is_kept_for_the_lookup() {
        let second = Duration::from_secs(1);
        let budget = |attempt, operation| Settings { attempt, operation, ..Settings::default() }.budget();
        let now = Instant::now();
        assert_eq!(budget(10 * second, 30 * second).call_to_be_looked_up(), now + 10 * second);
        assert_eq!(budget(30 * second, 30 * second).call_to_be_looked_up(), now + 20 * second);
        assert_eq!(budget(30 * second, 30 * second).call(), now + 30 * second);
        let beneath = Settings { tried_beneath: true, ..Settings::default() }.budget();
        assert_eq!((beneath.call(), beneath.call_to_be_looked_up()), (now + 30 * second, now + 20 * second));
        // The longest times there are do not overflow.
        let endless = budget(Duration::MAX, Duration::MAX);
        assert!(endless.call_to_be_looked_up() <= endless.until);
    }
}
