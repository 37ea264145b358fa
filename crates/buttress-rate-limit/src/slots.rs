//! One set of the memory store: a few places, for which the keys that hash to it compete. Pure, without a clock.
//!
//! A key without a place takes over the place that is full again first, *with the debt that is there*. So nobody can be
//! made forgotten: whoever was pushed out had no more debt than every place of the set has from then on, since debts of
//! a set only change hands upwards, and comes back with at least what is left of it. And nobody is locked out as long as
//! one place of the set has units left. A place that is full again has no debt to take over. (The idea is that of
//! Space-Saving, Metwally et al. 2005: counts that may be too high by what was pushed out, and never too low.)

use std::{array::from_fn, sync::atomic::Ordering::Relaxed};

use crate::{
    latch::Latch,
    sync::{AtomicU32, AtomicU64},
};

/// The places of a set. In the model of loom fewer make fewer orders of things.
pub(crate) const PLACES: usize = if cfg!(loom) { 2 } else { 5 };

/// One line of a cache: all that a decision about a key touches.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Set {
    latch: Latch,
    /// Parts of the hashes of keys. Zero at first, whose bucket is then full: that is as good as no entry.
    tags: [AtomicU32; PLACES],
    /// When the bucket is full again.
    full_at: [AtomicU64; PLACES],
}

/// A set that nobody else looks at or changes meanwhile.
#[derive(Debug)]
pub(crate) struct Held<'a>(&'a Set);

/// A place of a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    at: usize,
    /// Whether the key has it already.
    pub(crate) known: bool,
    /// When its bucket is full again.
    pub(crate) full_at: u64,
    tag: u32,
}

impl Set {
    pub(crate) fn new() -> Self {
        Self { latch: Latch::new(), tags: from_fn(|_| AtomicU32::new(0)), full_at: from_fn(|_| AtomicU64::new(0)) }
    }

    #[inline]
    pub(crate) fn hold(&self) -> Held<'_> {
        self.latch.take();
        Held(self)
    }
}

impl Held<'_> {
    /// The place that this key has, or else the one that it would take over.
    #[inline]
    pub(crate) fn find(&self, tag: u32) -> Place {
        let known = self.0.tags.iter().position(|known| known.load(Relaxed) == tag);
        match known {
            Some(at) => Place { at, known: true, full_at: self.full_at(at), tag },
            None => self.first_full(),
        }
    }

    #[inline(never)]
    fn first_full(&self) -> Place {
        let at = (1..PLACES).fold(0, |first, at| if self.full_at(at) < self.full_at(first) { at } else { first });
        Place { at, known: false, full_at: self.full_at(at), tag: self.0.tags[at].load(Relaxed) }
    }

    #[inline]
    fn full_at(&self, at: usize) -> u64 {
        self.0.full_at[at].load(Relaxed)
    }

    /// Gives a place to this key, with this debt.
    #[inline]
    pub(crate) fn put(&self, place: Place, tag: u32, full_at: u64) {
        self.0.tags[place.at].store(tag, Relaxed);
        self.0.full_at[place.at].store(full_at, Relaxed);
    }

    /// Gives a place back as it was found.
    pub(crate) fn restore(&self, place: Place) {
        self.put(place, place.tag, place.full_at);
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
            held.put(place, tag, next);
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
                if take(&set, tag + 1, now, &quota) {
                    let full_at = alone.entry(tag).or_default();
                    let next = gcra::take(*full_at, now, &quota, 1);
                    prop_assert!(next.is_some(), "key {} passed beyond its own bucket", tag);
                    *full_at = next.unwrap();
                }
            }
        }
    }
}
