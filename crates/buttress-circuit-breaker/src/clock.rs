use std::{sync::OnceLock, time::Duration};

use tokio::time::Instant;

use crate::window::Nanos;

/// A moment, in nanoseconds from some other one in this process, by the clock of tokio, which a test may have paused.
///
/// A number, since that can be kept where threads read it without a lock. It may be negative, of a clock that was paused.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    #[inline]
    pub(crate) fn now() -> Self {
        let now = Instant::now();
        let other = OTHER.get().map_or_else(first, |other| *other);
        match now.checked_duration_since(other) {
            Some(since) => Self(nanos(since)),
            None => before(now, other),
        }
    }

    /// How long it is after another; nothing, if it is before that.
    #[inline]
    pub(crate) fn since(self, other: Self) -> Nanos {
        self.0.saturating_sub(other.0).max(0).cast_unsigned()
    }

    /// The moment so much later.
    pub(crate) fn after(self, time: Nanos) -> Self {
        Self(self.0.saturating_add_unsigned(time))
    }
}

static OTHER: OnceLock<Instant> = OnceLock::new();

/// The other moment is the first that is asked for.
#[cold]
#[inline(never)]
fn first() -> Instant {
    *OTHER.get_or_init(Instant::now)
}

#[cold]
#[inline(never)]
fn before(now: Instant, other: Instant) -> Moment {
    Moment(-nanos(other - now))
}

/// Good for 292 years.
#[inline]
fn nanos(time: Duration) -> i64 {
    time.as_secs().cast_signed().wrapping_mul(1_000_000_000).wrapping_add(time.subsec_nanos().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_the_other_one_have_their_order() {
        let other = Instant::now();
        let [early, late] = [5, 3].map(|seconds| before(other, other + Duration::from_secs(seconds)));
        assert_eq!((late.since(early), early.since(late)), (2_000_000_000, 0));
        assert_eq!(early.after(2_000_000_000), late);
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_as_the_clock_of_tokio() {
        let began = Moment::now();
        tokio::time::advance(Duration::from_millis(1_500)).await;
        assert_eq!(Moment::now().since(began), 1_500_000_000);
    }
}
