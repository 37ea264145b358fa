//! How many bytes the bodies of all requests with a key, or of all their answers, may take together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// So many bytes, for all who hold a part of them. A clone is the same budget.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    taken: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, taken: AtomicUsize::new(0) }))
    }

    /// All of it, taken or not.
    pub(crate) fn most(&self) -> usize {
        self.0.most
    }

    /// Whether so much is left for now. Nothing is taken: what is promised, and not sent, is in nobody's way.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        bytes <= (self.0.most - self.0.taken.load(Ordering::Relaxed)) as u64
    }
}

/// What somebody holds of a budget. It is given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    // Until something is taken there is nothing to give back.
    budget: Option<Budget>,
    bytes: usize,
}

impl Share {
    /// Takes more; `false` when so much is not left.
    pub(crate) fn take(&mut self, bytes: usize, budget: &Budget) -> bool {
        let Budget(inner) = self.budget.get_or_insert_with(|| budget.clone());
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= inner.most);
        // It is a count alone: nothing else is made visible by it.
        let taken = inner.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.bytes += if taken { bytes } else { 0 };
        taken
    }

    /// Gives some of it back.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        if let Some(Budget(inner)) = &self.budget {
            inner.taken.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn left(budget: &Budget) -> usize {
        budget.0.most - budget.0.taken.load(Ordering::Relaxed)
    }

    proptest! {
        /// Take, give back, or drop a share: the rest is what a plain sum says.
        #[test]
        fn what_is_left_is_what_nobody_holds(steps in prop::collection::vec((0_usize..4, 0_u8..3, 0_usize..60), 0..80)) {
            let budget = Budget::new(100);
            let mut shares: [Share; 4] = Default::default();
            let mut held = [0; 4];
            for (who, what, bytes) in steps {
                let rest = 100 - held.iter().sum::<usize>();
                match what {
                    0 => {
                        prop_assert_eq!(shares[who].take(bytes, &budget), bytes <= rest);
                        held[who] += if bytes <= rest { bytes } else { 0 };
                    }
                    1 => {
                        shares[who].give_back(bytes);
                        held[who] -= bytes.min(held[who]);
                    }
                    _ => (shares[who], held[who]) = (Share::default(), 0),
                }
                let rest = 100 - held.iter().sum::<usize>();
                prop_assert_eq!(left(&budget), rest);
                prop_assert!(budget.has_room(rest as u64) && !budget.has_room(rest as u64 + 1));
            }
        }
    }

    #[test]
    fn many_threads_never_hold_more_than_there_is_and_leave_nothing_behind() {
        let budget = Budget::new(10);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for i in 0..2_000 {
                        let mut share = Share::default();
                        let taken = share.take(4, &budget);
                        assert!(left(&budget) <= 10 - if taken { 4 } else { 0 }, "{i}");
                    }
                });
            }
        });
        assert_eq!(left(&budget), 10);
    }

    #[test]
    fn a_sum_that_overflows_is_more_than_there_is() {
        let (budget, mut share) = (Budget::new(usize::MAX), Share::default());
        assert!(share.take(1, &budget) && !share.take(usize::MAX, &budget));
        drop(share);
        assert_eq!(left(&budget), usize::MAX);
    }
}
