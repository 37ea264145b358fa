//! How long to wait before the next try (pure).

use std::{error::Error, fmt, time::Duration};

use crate::random::within;

/// How long to wait before the next try, when the server does not say.
///
/// | | wait before the k-th retry, of base `b` and cap `c` |
/// |---|---|
/// | [`full`](Self::full) | any in `0 ..= min(c, b · 2^(k-1))` |
/// | [`equal`](Self::equal) | half of that, and any part of the other half |
/// | [`decorrelated`](Self::decorrelated) | any in `b ..= min(c, 3 · the wait before)` |
/// | [`NONE`](Self::NONE) | none: the next try starts at once, without a timer |
///
/// Full jitter asks least of a server that many callers wait for, and is the default of
/// [`RetryLayer`](crate::RetryLayer): 100 ms up to 5 s (RTY-6; AWS Architecture Blog, "Exponential Backoff And Jitter").
/// Every retry of every call draws anew.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_retry::Backoff;
///
/// let backoff = Backoff::full(Duration::from_millis(200), Duration::from_secs(5))?;
/// assert!(Backoff::full(Duration::from_secs(6), Duration::from_secs(5)).is_err());
/// # let _ = backoff;
/// # Ok::<(), buttress_retry::InvalidBackoff>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    jitter: Jitter,
    base: Duration,
    cap: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Jitter {
    Full,
    Equal,
    Decorrelated,
}

/// A backoff that could not be meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBackoff(&'static str);

impl Backoff {
    /// No wait at all.
    pub const NONE: Self = Self { jitter: Jitter::Full, base: Duration::ZERO, cap: Duration::ZERO };

    /// Any wait from zero to the doubled base, as AWS names it.
    ///
    /// # Errors
    ///
    /// When the base is zero, which [`NONE`](Self::NONE) says better, or longer than the cap.
    pub const fn full(base: Duration, cap: Duration) -> Result<Self, InvalidBackoff> {
        Self::new(Jitter::Full, base, cap)
    }

    /// At least half of the doubled base.
    ///
    /// # Errors
    ///
    /// As [`full`](Self::full).
    pub const fn equal(base: Duration, cap: Duration) -> Result<Self, InvalidBackoff> {
        Self::new(Jitter::Equal, base, cap)
    }

    /// At least the base, at most three times the wait before. It makes more calls than the others.
    ///
    /// # Errors
    ///
    /// As [`full`](Self::full).
    pub const fn decorrelated(base: Duration, cap: Duration) -> Result<Self, InvalidBackoff> {
        Self::new(Jitter::Decorrelated, base, cap)
    }

    const fn new(jitter: Jitter, base: Duration, cap: Duration) -> Result<Self, InvalidBackoff> {
        let (base_nanos, cap_nanos) = (base.as_nanos(), cap.as_nanos());
        if base_nanos == 0 {
            return Err(InvalidBackoff("a backoff grows from more than zero"));
        }
        if cap_nanos < base_nanos {
            return Err(InvalidBackoff("the longest wait of a backoff is not shorter than its first"));
        }
        Ok(Self { jitter, base, cap })
    }

    /// The longest wait.
    #[must_use]
    pub const fn cap(&self) -> Duration {
        self.cap
    }

    /// The wait before the `retry`-th retry, counted from 1, where `before` is the wait before the last one.
    pub(crate) fn delay(&self, retry: u32, before: Duration, draw: u64) -> Duration {
        let doubled = doubled(self.base, retry.saturating_sub(1)).min(self.cap);
        match self.jitter {
            Jitter::Full => within(doubled, draw),
            Jitter::Equal => doubled / 2 + within(doubled - doubled / 2, draw),
            Jitter::Decorrelated => {
                let most = before.max(self.base).saturating_mul(3).min(self.cap);
                self.base + within(most - self.base, draw)
            }
        }
    }
}

/// `base` times two to the power of `times`, or the longest wait there is.
fn doubled(base: Duration, times: u32) -> Duration {
    let factor = 1_u32.checked_shl(times);
    // What was zero stays so, however often it is doubled.
    factor.map_or(if base.is_zero() { base } else { Duration::MAX }, |factor| base.saturating_mul(factor))
}

impl fmt::Display for InvalidBackoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidBackoff {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = u64::MAX;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn waits(backoff: Backoff, draw: u64) -> Vec<u128> {
        let mut before = Duration::ZERO;
        let next = |retry| {
            before = backoff.delay(retry, before, draw);
            before.as_millis()
        };
        (1..=6).map(next).collect()
    }

    // RTY-6
    #[test]
    fn full_jitter_lies_between_zero_and_the_doubled_base() {
        let backoff = Backoff::full(ms(100), ms(1_000)).unwrap();
        assert_eq!(waits(backoff, MOST), [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(waits(backoff, 0), [0; 6]);
        assert_eq!(waits(backoff, MOST / 2 + 1), [50, 100, 200, 400, 500, 500]);
    }

    #[test]
    fn equal_jitter_keeps_half() {
        let backoff = Backoff::equal(ms(100), ms(1_000)).unwrap();
        assert_eq!(waits(backoff, MOST), [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(waits(backoff, 0), [50, 100, 200, 400, 500, 500]);
    }

    #[test]
    fn decorrelated_jitter_grows_from_the_wait_before() {
        let backoff = Backoff::decorrelated(ms(100), ms(5_000)).unwrap();
        assert_eq!(waits(backoff, MOST), [300, 900, 2_700, 5_000, 5_000, 5_000]);
        assert_eq!(waits(backoff, 0), [100; 6]);
    }

    // RTY-6, D7: tower-resilience waits 1.1e11 s before its 40th retry.
    #[test]
    fn no_retry_is_too_late_for_the_cap() {
        let backoff = Backoff::full(ms(100), ms(20_000)).unwrap();
        for retry in [31, 32, 33, 40, 64, 65, u32::MAX] {
            assert_eq!(backoff.delay(retry, Duration::ZERO, MOST), ms(20_000), "{retry}");
        }
    }

    #[test]
    fn none_is_none_for_every_retry() {
        for retry in [0, 1, 2, 40, u32::MAX] {
            assert_eq!(Backoff::NONE.delay(retry, Duration::MAX, MOST), Duration::ZERO);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for new in [Backoff::full, Backoff::equal, Backoff::decorrelated] {
            assert!(new(Duration::ZERO, ms(1)).is_err());
            assert!(new(ms(2), ms(1)).is_err());
            assert!(new(ms(1), ms(1)).is_ok());
            assert!(new(Duration::MAX, Duration::MAX).is_ok());
        }
    }

    proptest! {
        #[test]
        fn no_wait_is_beyond_the_cap_and_none_overflows(
            base in 1..u64::MAX, more: u64, retry: u32, before: u64, draw: u64, jitter in 0..3_usize,
        ) {
            let base = Duration::from_nanos(base);
            let cap = base.saturating_add(Duration::from_nanos(more));
            let new = [Backoff::full, Backoff::equal, Backoff::decorrelated][jitter];
            let delay = new(base, cap).unwrap().delay(retry, Duration::from_nanos(before), draw);
            prop_assert!(delay <= cap);
            prop_assert!(jitter != 2 || delay >= base);
        }
    }
}
