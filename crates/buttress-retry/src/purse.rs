//! The arithmetic of a budget, without a lock and without a clock: times come in as arguments.

use std::time::Duration;

use crate::{
    Allowance,
    sync::{AtomicU64, Ordering},
};

/// What one retry costs; a call pays in as many as the allowance has percent.
const RETRY: u64 = 100;

/// How much of the reserve is kept, in nanoseconds.
const KEPT: u64 = 10_000_000_000;

pub(crate) struct Purse {
    percent: u64,
    most: u64,
    /// All that was ever paid in: it only grows.
    paid: AtomicU64,
    /// What of that was taken out, or had no room.
    spent: AtomicU64,
    reserve: Option<Reserve>,
}

/// So many a second, as a virtual schedule (GCRA).
struct Reserve {
    /// Nanoseconds from one to the next.
    interval: u64,
    /// When the one after the last that was taken is due, in nanoseconds.
    due: AtomicU64,
}

impl Purse {
    pub(crate) fn new(allowance: Allowance) -> Self {
        let Allowance { percent, saved, reserve } = allowance;
        Self {
            percent: percent.into(),
            most: u64::from(saved) * RETRY,
            paid: AtomicU64::new(0),
            spent: AtomicU64::new(0),
            reserve: Reserve::new(reserve),
        }
    }

    #[inline]
    pub(crate) fn pay_in(&self) {
        self.paid.fetch_add(self.percent, Ordering::Relaxed);
    }

    /// Takes a retry out of what calls have saved.
    pub(crate) fn take_saved(&self) -> bool {
        let mut spent = self.spent.load(Ordering::Acquire);
        loop {
            let (taken, saved) = self.saved(spent);
            if saved < RETRY {
                return false;
            }
            // Released, so that whoever reads this sees at least as much paid in as we did.
            match self.spent.compare_exchange_weak(spent, taken + RETRY, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => spent = now,
            }
        }
    }

    /// Takes one of the reserve, as it stands at this time.
    pub(crate) fn take_reserve(&self, now: Duration) -> bool {
        self.reserve.as_ref().is_some_and(|reserve| reserve.take(nanos(now)))
    }

    pub(crate) fn left(&self, now: Duration) -> u64 {
        let (_, saved) = self.saved(self.spent.load(Ordering::Acquire));
        saved / RETRY + self.reserve.as_ref().map_or(0, |reserve| reserve.left(nanos(now)))
    }

    /// Whether the reserve is as full as that of a new purse.
    pub(crate) fn is_rested(&self, now: Duration) -> bool {
        self.reserve.as_ref().is_none_or(|reserve| reserve.due.load(Ordering::Relaxed) <= nanos(now))
    }

    /// What counts as taken, and what is left of the rest: never more than there is room for.
    fn saved(&self, spent: u64) -> (u64, u64) {
        let paid = self.paid.load(Ordering::Relaxed);
        let taken = spent.max(paid.saturating_sub(self.most));
        (taken, paid.saturating_sub(taken))
    }
}

impl Reserve {
    fn new(per_second: u32) -> Option<Self> {
        let interval = 1_000_000_000_u64.checked_div(per_second.into())?;
        Some(Self { interval, due: AtomicU64::new(0) })
    }

    fn take(&self, now: u64) -> bool {
        let mut due = self.due.load(Ordering::Relaxed);
        loop {
            let next = due.max(now).saturating_add(self.interval.max(1));
            if next > now.saturating_add(KEPT) {
                return false;
            }
            match self.due.compare_exchange_weak(due, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => due = other,
            }
        }
    }

    fn left(&self, now: u64) -> u64 {
        let due = self.due.load(Ordering::Relaxed).max(now);
        now.saturating_add(KEPT).saturating_sub(due) / self.interval.max(1)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::ZERO;

    fn purse(percent: u32, saved: u32, reserve: u32) -> Purse {
        Purse::new(Allowance::percent(percent).unwrap().saved(saved).reserve(reserve))
    }

    fn take(purse: &Purse, now: Duration) -> bool {
        purse.take_saved() || purse.take_reserve(now)
    }

    fn taken(purse: &Purse, now: Duration) -> usize {
        (0..10_000).take_while(|_| take(purse, now)).count()
    }

    // RTY-10: the vectors of this scheme: percent, calls, retries that may follow.
    #[test]
    fn calls_pay_for_retries_at_the_rate_of_the_allowance() {
        for (percent, calls, retries) in
            [(0, 1_000, 0), (1, 99, 0), (1, 100, 1), (10, 9, 0), (10, 10, 1), (20, 24, 4), (20, 25, 5), (100, 7, 7)]
        {
            let purse = purse(percent, 100, 0);
            (0..calls).for_each(|_| purse.pay_in());
            assert_eq!(purse.left(START), retries, "{percent} {calls}");
            assert_eq!(taken(&purse, START), retries as usize, "{percent} {calls}");
        }
    }

    #[test]
    fn no_more_is_saved_than_there_is_room_for() {
        let purse = purse(20, 3, 0);
        (0..1_000_000).for_each(|_| purse.pay_in());
        assert_eq!(taken(&purse, START), 3);
        (0..5).for_each(|_| purse.pay_in());
        assert_eq!(taken(&purse, START), 1);
    }

    // RTY-12
    #[test]
    fn the_reserve_is_ten_seconds_worth_and_comes_back_by_the_second() {
        let purse = purse(0, 0, 10);
        assert_eq!(purse.left(START), 100);
        assert_eq!(taken(&purse, START), 100);
        assert!(!purse.is_rested(START));
        assert_eq!(taken(&purse, Duration::from_millis(99)), 0);
        assert_eq!(taken(&purse, Duration::from_secs(1)), 10);
        assert_eq!(taken(&purse, Duration::from_secs(3_600)), 100);
        assert!(purse.is_rested(Duration::from_secs(7_200)));
    }

    #[test]
    fn the_ends_of_time_and_number_are_no_trouble() {
        for reserve in [1, u32::MAX] {
            let purse = purse(100, u32::MAX, reserve);
            purse.pay_in();
            assert!(take(&purse, Duration::MAX));
            assert!(purse.left(Duration::MAX) < u64::MAX);
            let _ = take(&purse, Duration::MAX);
        }
    }

    proptest! {
        // RTY-11
        #[test]
        fn no_order_of_calls_and_retries_takes_out_more_than_is_allowed(
            percent in 0..=100_u32, saved in 0..20_u32, reserve in 0..20_u32,
            steps in proptest::collection::vec((any::<bool>(), 0..2_000_u64), 1..400),
        ) {
            let purse = purse(percent, saved, reserve);
            let (mut now, mut calls, mut retries) = (Duration::ZERO, 0_u64, 0_u64);
            for (is_call, millis) in steps {
                now += Duration::from_millis(millis);
                if is_call { purse.pay_in(); calls += 1; } else if take(&purse, now) { retries += 1; }
                let of_reserve = u64::from(reserve) * 10 + now.as_nanos() as u64 * u64::from(reserve) / 1_000_000_000;
                prop_assert!(retries <= calls * u64::from(percent) / 100 + of_reserve + 1);
            }
        }
    }
}
