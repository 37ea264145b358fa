//! One set of the memory store: a few places, for which the keys that hash to it compete. Pure, without a clock.
//!
//! A key without a place takes over the place that is full again first, *with the debt that is there*. So nobody can be
//! made forgotten: whoever was pushed out had no more debt than every place of the set has from then on, since debts of
//! a set only change hands upwards (but for units that are given back), and comes back with at least what is left of it. And nobody is locked out as long as
//! one place of the set has units left. A place that is full again has no debt to take over. (The idea is that of
//! Space-Saving, Metwally et al. 2005: counts that may be too high by what was pushed out, and never too low.)

use std::{array::from_fn, sync::atomic::Ordering::Relaxed};

use crate::{
    latch::Latch,
    sync::{AtomicU8, AtomicU32, AtomicU64},
};

/// The places of a set. In the model of loom fewer make fewer orders of things.
pub(crate) const PLACES: usize = if cfg!(loom) { 2 } else { 5 };

/// One line of a cache: all that a decision about a key touches.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Set {
    latch: Latch,
    /// Written to and never read.
    fetched: AtomicU8,
    /// Parts of the hashes of keys. Zero at first, whose bucket is then full: that is as good as no entry, also for a key
    /// with zero, since the place of such a key goes to another one only after all that are as at first.
    tags: [AtomicU32; PLACES],
    /// When the bucket is full again.
    full_at: [AtomicU64; PLACES],
}

/// A set that nobody else looks at or changes meanwhile.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a Set);

/// A place of a set that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    at: (&'a AtomicU32, &'a AtomicU64),
    /// Whether the key has it already.
    pub(crate) known: bool,
    /// When its bucket is full again.
    pub(crate) full_at: u64,
    tag: u32,
}

impl Set {
    pub(crate) fn new() -> Self {
        Self {
            latch: Latch::new(),
            fetched: AtomicU8::new(0),
            tags: from_fn(|_| AtomicU32::new(0)),
            full_at: from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Has the line brought here, to be written to, without waiting for it.
    ///
    /// Before a processor reads the clock it waits for all that it was to read, and for locks. It does not wait for what it
    /// was to write.
    #[inline]
    pub(crate) fn fetch(&self) {
        self.fetched.store(0, Relaxed);
    }

    #[inline]
    pub(crate) fn hold(&self) -> Held<'_> {
        self.latch.take();
        Held(self)
    }
}

impl Held<'_> {
    /// When the bucket of this key is full again, if it has a place.
    #[inline]
    pub(crate) fn known(&self, tag: u32) -> Option<&AtomicU64> {
        self.places().find(|(known, _)| known.load(Relaxed) == tag).map(|(_, full_at)| full_at)
    }

    /// The place that this key has, or else the one that it would take over.
    pub(crate) fn find(&self, tag: u32) -> Place<'_> {
        let known = self.0.tags.iter().position(|known| known.load(Relaxed) == tag);
        let at = known.unwrap_or_else(|| self.first_full());
        let at = (&self.0.tags[at], &self.0.full_at[at]);
        Place { at, known: known.is_some(), full_at: at.1.load(Relaxed), tag: at.0.load(Relaxed) }
    }

    fn first_full(&self) -> usize {
        let full_at = |at: usize| self.0.full_at[at].load(Relaxed);
        (1..PLACES).fold(0, |first, at| if full_at(at) < full_at(first) { at } else { first })
    }

    #[inline]
    fn places(&self) -> impl Iterator<Item = (&AtomicU32, &AtomicU64)> {
        self.0.tags.iter().zip(&self.0.full_at)
    }
}

impl Place<'_> {
    /// Gives it to this key, with this debt.
    pub(crate) fn put(&self, tag: u32, full_at: u64) {
        self.at.0.store(tag, Relaxed);
        self.at.1.store(full_at, Relaxed);
    }

    /// Gives it back as it was found.
    pub(crate) fn restore(&self) {
        self.put(self.tag, self.full_at);
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.latch.release();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{Quota, gcra};

    /// Takes one unit as the store does.
    fn take(set: &Set, tag: u32, now: u64, quota: &Quota) -> bool {
        let held = set.hold();
        let place = held.find(tag);
        let next = gcra::take(place.full_at, now, quota, 1);
        if let Some(next) = next {
            place.put(tag, next);
        }
        next.is_some()
    }

    // RLM-10
    #[test]
    fn a_set_is_one_line_of_a_cache() {
        assert_eq!((size_of::<Set>(), align_of::<Set>()), (64, 64));
    }

    // RLM-10
    #[test]
    fn a_key_whose_schedule_has_run_out_goes_first() {
        let quota: Quota = "1/s burst 5".parse().unwrap();
        let (set, second) = (Set::new(), 1_000_000_000);
        (1..=5).for_each(|tag| assert!(take(&set, tag, tag.into(), &quota)));
        assert!(take(&set, 6, second + 1, &quota));
        let held = set.hold();
        assert!(!held.find(1).known && (2..=6).all(|tag| held.find(tag).known));
        assert_eq!(held.find(6).full_at, 2 * second + 1, "it took over no debt");
    }

    // RLM-10
    #[test]
    fn a_refused_stranger_pushes_nobody_out() {
        let quota: Quota = "1/s burst 1".parse().unwrap();
        let set = Set::new();
        (1..=5).for_each(|tag| assert!(take(&set, tag, 0, &quota)));
        assert!(!take(&set, 6, 1, &quota));
        assert!((1..=5).all(|tag| set.hold().find(tag).known));
    }

    // RLM-10
    #[test]
    fn strangers_are_not_locked_out_by_a_full_set() {
        let quota: Quota = "1/s burst 20".parse().unwrap();
        let set = Set::new();
        let passed = (1..=100).filter(|tag| take(&set, *tag, 0, &quota)).count();
        assert_eq!(passed, 100, "each of 100 keys had one, in 5 places with room for 20");
    }

    proptest! {
        // RLM-10: whoever shares the set, and however often a key is pushed out, it never gets more than its own bucket.
        #[test]
        fn no_key_is_ever_better_off_than_with_a_place_of_its_own(
            steps in proptest::collection::vec((0_u32..20, 0_u64..2_000_000_000), 1..400)
        ) {
            let quota: Quota = "1/s burst 3".parse().unwrap();
            let (set, mut alone, mut now) = (Set::new(), HashMap::<u32, u64>::new(), 0);
            for (tag, pause) in steps {
                now += pause / 8;
                if take(&set, tag, now, &quota) {
                    let full_at = alone.entry(tag).or_default();
                    let next = gcra::take(*full_at, now, &quota, 1);
                    prop_assert!(next.is_some(), "key {} passed beyond its own bucket", tag);
                    *full_at = next.unwrap();
                }
            }
        }
    }
}
