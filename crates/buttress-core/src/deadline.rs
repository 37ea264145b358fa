#![expect(clippy::disallowed_types, reason = "what Tokio's instants become on their way between layers")]

use std::time::{Duration, Instant};

/// When whoever asked will have stopped waiting for the answer.
///
/// A request extension. Layers that wait on behalf of a call (a retry, a throttle) end their wait by then, or refuse at
/// once when it would take longer. Where there is one already, an earlier one takes its place and a later one does not.
///
/// It holds an instant of the standard library, so that it asks for no runtime. Convert Tokio's with
/// `tokio::time::Instant::into_std` and `from_std`: a paused test clock moves both.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use buttress_core::Deadline;
///
/// let now = Instant::now();
/// let deadline = Deadline::at(now + Duration::from_secs(3));
/// assert_eq!(deadline.left(now), Duration::from_secs(3));
/// assert_eq!(deadline.left(now + Duration::from_secs(5)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline at this instant.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// How long there is still from `now` on; zero when it has passed.
    #[must_use]
    pub fn left(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }
}
