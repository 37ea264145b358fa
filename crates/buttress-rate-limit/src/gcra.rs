//! The decision: a bucket is one moment, at which it will be full again. Pure, without a clock.
//!
//! The generic cell rate algorithm of ITU-T I.371. Moments are nanoseconds since the start of a store's clock. A moment
//! that has passed is a full bucket, and so is a key that nobody knows.

use std::time::Duration;

use crate::Quota;

/// No debt grows beyond this, whatever is charged: some 73 years.
const DEEPEST: u64 = u64::MAX >> 3;

/// What is missing in a bucket, as the time in which it comes back. Zero for a full one.
///
/// A clock that steps back makes it longer: it grants nothing (RLM-19).
#[inline]
pub(crate) fn debt(full_at: u64, now: u64) -> u64 {
    full_at.saturating_sub(now)
}

/// The moment at which a bucket is full again after so many units are taken, or `None` if it holds fewer.
#[inline]
pub(crate) fn take(full_at: u64, now: u64, quota: &Quota, cost: u32) -> Option<u64> {
    if cost > quota.size() {
        return None;
    }
    // Nothing wraps before the clock does.
    let next = full_at.max(now).wrapping_add(quota.step() * u64::from(cost));
    // Asking for nothing is always granted, also below the bottom of a bucket that was charged afterwards.
    (next.wrapping_sub(now) <= quota.full() || cost == 0).then_some(next)
}

/// The same, however many units it holds.
pub(crate) fn charge(full_at: u64, now: u64, quota: &Quota, cost: u32) -> u64 {
    let debt = debt(full_at, now).saturating_add(quota.step().saturating_mul(u64::from(cost)));
    now.saturating_add(debt.min(DEEPEST))
}

/// The moment after so many units are given back. It is never fuller than full.
pub(crate) fn refund(full_at: u64, now: u64, quota: &Quota, cost: u32) -> u64 {
    now.saturating_add(debt(full_at, now).saturating_sub(quota.step().saturating_mul(u64::from(cost))))
}

/// How a bucket stands.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_rate_limit::{Quota, Standing, Wait};
///
/// // Eighteen seconds until it is full again: two units are there.
/// let standing = Standing::new("60/min burst 20".parse()?, Duration::from_secs(18));
/// assert_eq!(standing.remaining(), 2);
/// assert_eq!(standing.wait(5), Wait::For(Duration::from_secs(3)));
/// assert_eq!(standing.wait(21), Wait::Never);
/// # Ok::<(), buttress_rate_limit::InvalidQuota>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    quota: Quota,
    debt: u64,
}

/// When so many units can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer")]
pub enum Wait {
    /// At once.
    No,
    /// After this time, if nobody else comes first.
    For(Duration),
    /// Never: it is more than a full bucket holds.
    Never,
}

impl Standing {
    /// A bucket of this quota that is full again after this time.
    #[must_use]
    pub fn new(quota: Quota, full_in: Duration) -> Self {
        Self { quota, debt: u64::try_from(full_in.as_nanos()).unwrap_or(u64::MAX) }
    }

    #[inline]
    pub(crate) const fn of(quota: Quota, debt: u64) -> Self {
        Self { quota, debt }
    }

    /// Its quota.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Whole units that are there.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        u32::try_from(self.left().0).expect("a bucket holds no more than its burst")
    }

    /// The time until it is full again.
    #[must_use]
    pub const fn full_in(&self) -> Duration {
        Duration::from_nanos(self.debt)
    }

    /// The time until one more unit is there than [`remaining`](Self::remaining) says; zero if it is full.
    #[must_use]
    pub fn next_in(&self) -> Duration {
        Duration::from_nanos(self.left().1)
    }

    /// Whole units that are there, and the nanoseconds until there is one more: to divide once tells both.
    #[inline]
    pub(crate) fn left(&self) -> (u64, u64) {
        let (full, step) = (self.quota.full(), self.quota.step());
        let level = full.saturating_sub(self.debt);
        let units = level / step;
        // Below the bottom, that takes its time as well.
        (units, (step - (level - units * step)).min(self.debt) + self.debt.saturating_sub(full))
    }

    /// How long to wait for so many units. None are always there.
    #[must_use]
    pub fn wait(&self, cost: u32) -> Wait {
        match self.wait_nanos(cost) {
            None => Wait::Never,
            Some(0) => Wait::No,
            Some(nanos) => Wait::For(Duration::from_nanos(nanos)),
        }
    }

    /// The same in nanoseconds; `None` is never.
    #[inline]
    pub(crate) fn wait_nanos(&self, cost: u32) -> Option<u64> {
        let price = self.quota.step().saturating_mul(u64::from(cost));
        let wait = self.debt.saturating_add(price).saturating_sub(self.quota.full());
        (price <= self.quota.full()).then_some(if cost == 0 { 0 } else { wait })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MS: u64 = SECOND / 1_000;
    /// Long after the start of the clock, as in practice.
    const START: u64 = 86_400 * SECOND;

    /// What a client is told: remaining, seconds until full, seconds to wait.
    #[derive(Debug, PartialEq)]
    struct Told(bool, u32, u64, Option<u64>);

    /// Takes as a store does, and tells milliseconds.
    fn ask(full_at: &mut u64, now: u64, quota: &Quota, cost: u32) -> Told {
        let wait = match Standing::of(*quota, debt(*full_at, now)).wait(cost) {
            Wait::For(time) => Some(u64::try_from(time.as_millis()).unwrap()),
            Wait::No | Wait::Never => None,
        };
        let granted = take(*full_at, now, quota, cost);
        *full_at = granted.unwrap_or(*full_at);
        let standing = Standing::of(*quota, debt(*full_at, now));
        Told(granted.is_some(), standing.remaining(), standing.debt / MS, wait)
    }

    // RLM-1, RLM-9: the table that throttled publishes, also behind redis-cell.
    #[test]
    fn the_published_table_holds() {
        let quota: Quota = "1/s burst 5".parse().unwrap();
        let mut full_at = 0;
        for (i, (at, cost, told)) in [
            (0, 6, Told(false, 5, 0, None)),
            (0, 1, Told(true, 4, 1_000, None)),
            (0, 1, Told(true, 3, 2_000, None)),
            (0, 1, Told(true, 2, 3_000, None)),
            (0, 1, Told(true, 1, 4_000, None)),
            (0, 1, Told(true, 0, 5_000, None)),
            (0, 1, Told(false, 0, 5_000, Some(1_000))),
            (3_000, 1, Told(true, 2, 3_000, None)),
            (3_100, 1, Told(true, 1, 3_900, None)),
            (4_000, 1, Told(true, 1, 4_000, None)),
            (8_000, 1, Told(true, 4, 1_000, None)),
            (9_500, 1, Told(true, 4, 1_000, None)),
            (9_500, 0, Told(true, 4, 1_000, None)),
            (9_500, 2, Told(true, 2, 3_000, None)),
            (9_500, 5, Told(false, 2, 3_000, Some(3_000))),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(ask(&mut full_at, START + at * MS, &quota, cost), told, "row {i}");
        }
    }

    // D13: throttle-kit 2.1.2 says 1, 2, 3, 4, 5.
    #[test]
    fn what_remains_counts_down() {
        let quota: Quota = "5/h".parse().unwrap();
        let mut full_at = 0;
        let left: Vec<_> = (0..5).map(|_| ask(&mut full_at, START, &quota, 1).1).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
    }

    // D15: throttle-kit 2.1.2 lets about 1 000 a second pass.
    #[test]
    fn five_thousand_a_second_are_five_thousand() {
        let quota: Quota = "5000/s burst 1".parse().unwrap();
        let mut full_at = 0;
        let passed = (0..1_000_000_u64).filter(|micros| ask(&mut full_at, START + micros * 1_000, &quota, 1).0).count();
        assert_eq!(passed, 5_000);
    }

    // D18: tower-rate-limiter 0.2.0-alpha.0 admits 199 within 60 ms at the edge of a window.
    #[test]
    fn there_is_no_edge_at_which_two_windows_meet() {
        let quota: Quota = "100/500ms".parse().unwrap();
        let mut full_at = 0;
        let passed =
            (470..530_u64).flat_map(|ms| [ms; 10]).filter(|ms| ask(&mut full_at, START + ms * MS, &quota, 1).0).count();
        assert_eq!(passed, 100 + 11, "a full bucket, and what comes back within 59 ms");
    }

    // RLM-19
    #[test]
    fn a_clock_that_steps_back_grants_nothing() {
        let quota: Quota = "1/s burst 2".parse().unwrap();
        let mut full_at = 0;
        assert!(ask(&mut full_at, START, &quota, 1).0);
        assert!(ask(&mut full_at, START, &quota, 1).0);
        for back in [1, MS, SECOND, 3_600 * SECOND, START] {
            assert!(!ask(&mut full_at, START - back, &quota, 1).0, "{back} ns back");
        }
        assert!(ask(&mut full_at, START + SECOND, &quota, 1).0);
    }

    #[test]
    fn charges_go_below_the_bottom_and_refunds_never_above_the_top() {
        let quota: Quota = "1/s burst 2".parse().unwrap();
        let deep = charge(0, START, &quota, 10);
        assert_eq!(Standing::of(quota, debt(deep, START)).wait(1), Wait::For(Duration::from_secs(9)));
        assert_eq!(Standing::of(quota, debt(deep, START)).next_in(), Duration::from_secs(9));
        assert_eq!(take(deep, START, &quota, 0), Some(deep), "a look changes nothing");
        assert_eq!(refund(deep, START, &quota, u32::MAX), START);
        let deepest = (0..10).fold(0, |full_at, _| charge(full_at, START, &"1/day".parse().unwrap(), u32::MAX));
        assert!(debt(deepest, START) <= DEEPEST);
    }

    /// A bucket of fractions that leaks as the quota is written: numbers of `1 / period` units, exact.
    struct Exact {
        level: u128,
        at: u64,
    }

    impl Exact {
        /// Fills up until `now`, then takes if the whole cost is there.
        fn take(&mut self, now: u64, quota: &Quota, period: u64, cost: u32) -> bool {
            let most = u128::from(quota.size()) * u128::from(period);
            let fresh = u128::from(now - self.at) * u128::from(quota.count());
            (self.level, self.at) = ((self.level + fresh).min(most), now);
            let cost = u128::from(cost) * u128::from(period);
            let enough = self.level >= cost;
            if enough {
                self.level -= cost;
            }
            enough
        }
    }

    fn quotas() -> impl Strategy<Value = Quota> {
        (1_u32..2_000, 1_u64..100_000, 1_u32..300).prop_filter_map("a quota", |(count, micros, burst)| {
            Quota::new(count, Duration::from_micros(micros)).and_then(|quota| quota.burst(burst)).ok()
        })
    }

    fn steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
        proptest::collection::vec((0_u64..3_000_000, 0_u32..20), 1..200)
    }

    proptest! {
        // RLM-1: where a unit takes whole nanoseconds, the exact bucket says the same of every request.
        #[test]
        fn whole_nanoseconds_agree_with_the_exact_bucket(step in 1_000_u64..1_000_000, burst in 1_u32..300, steps in steps()) {
            let quota = Quota::new(1, Duration::from_nanos(step)).unwrap().burst(burst).unwrap();
            let mut exact = Exact { level: u128::from(burst) * u128::from(step), at: START };
            let (mut full_at, mut now) = (0, START);
            for (pause, cost) in steps {
                now += pause;
                let granted = take(full_at, now, &quota, cost);
                prop_assert_eq!(granted.is_some(), exact.take(now, &quota, step, cost));
                full_at = granted.unwrap_or(full_at);
            }
        }

        // RLM-4: for every quota, what the exact bucket would not grant is not granted.
        #[test]
        fn never_more_passes_than_is_written(quota in quotas(), steps in steps()) {
            let period = u64::try_from(quota.period().as_nanos()).unwrap();
            let most = u128::from(quota.size()) * u128::from(period);
            let mut exact = Exact { level: most, at: START };
            let (mut full_at, mut now) = (0, START);
            for (pause, cost) in steps {
                now += pause;
                if let Some(next) = take(full_at, now, &quota, cost) {
                    full_at = next;
                    prop_assert!(exact.take(now, &quota, period, cost));
                }
            }
        }

        // RLM-2: a denial takes nothing, and to come back when told is enough, and not a nanosecond too late.
        #[test]
        fn the_wait_is_honest(quota in quotas(), debt_now in 0_u64..1_000_000_000, cost in 1_u32..400) {
            let full_at = START + debt_now.min(quota.full());
            match Standing::of(quota, debt(full_at, START)).wait(cost) {
                Wait::No => prop_assert!(take(full_at, START, &quota, cost).is_some()),
                Wait::Never => prop_assert!(cost > quota.size()),
                Wait::For(wait) => {
                    let then = START + u64::try_from(wait.as_nanos()).unwrap();
                    prop_assert!(take(full_at, then - 1, &quota, cost).is_none());
                    prop_assert!(take(full_at, then, &quota, cost).is_some());
                }
            }
        }

        #[test]
        fn the_next_unit_comes_when_it_is_told(quota in quotas(), debt_now in 0_u64..2_000_000_000) {
            let standing = Standing::of(quota, debt_now);
            let next = u64::try_from(standing.next_in().as_nanos()).unwrap();
            prop_assert!(next <= debt_now);
            if next > 0 {
                let later = |time: u64| Standing::of(quota, debt_now - time).remaining();
                prop_assert_eq!(later(next), standing.remaining() + 1);
                prop_assert_eq!(later(next - 1), standing.remaining());
            }
        }

        #[test]
        fn any_numbers_are_taken_without_a_panic(full_at: u64, now: u64, quota in quotas(), cost: u32) {
            let _ = take(full_at, now, &quota, cost);
            let _ = (charge(full_at, now, &quota, cost), refund(full_at, now, &quota, cost));
            let standing = Standing::of(quota, debt(full_at, now));
            let _ = (standing.remaining(), standing.next_in(), standing.wait(cost));
        }
    }
}
