//! One set of the memory store: a few places, for which the keys that hash to it compete. Pure, without a clock.
//!
//! A key without a place takes over the place that is full again first, *with the debt that is there*. So nobody can be
//! made forgotten: whoever was pushed out had no more debt than every place of the set has from then on, since debts of
//! a set only change hands upwards, and comes back with at least what is left of it. And nobody is locked out as long as
//! one place of the set has units left. A place that is full again has no debt to take over. (The idea is that of
//! Space-Saving, Metwally et al. 2005: counts that may be too high by what was pushed out, and never too low.)

/// The places of a set.
pub(crate) const PLACES: usize = 7;

#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Hashes of keys. Zero at first, whose bucket is then full: that is as good as no entry.
    tags: [u64; PLACES],
    /// When the bucket is full again.
    full_at: [u64; PLACES],
}

/// A place of a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    at: usize,
    /// Whether the key has it already.
    pub(crate) known: bool,
    /// When its bucket is full again.
    pub(crate) full_at: u64,
    tag: u64,
}

impl Slots {
    /// The place that this key has, or else the one that it would take over.
    #[inline]
    pub(crate) fn find(&self, tag: u64) -> Place {
        let known = self.tags.iter().position(|known| *known == tag);
        let at = known.unwrap_or_else(|| self.first_full());
        Place { at, known: known.is_some(), full_at: self.full_at[at], tag: self.tags[at] }
    }

    fn first_full(&self) -> usize {
        (1..PLACES).fold(0, |first, at| if self.full_at[at] < self.full_at[first] { at } else { first })
    }

    /// Gives a place to this key, with this debt.
    #[inline]
    pub(crate) fn put(&mut self, place: Place, tag: u64, full_at: u64) {
        self.tags[place.at] = tag;
        self.full_at[place.at] = full_at;
    }

    /// Gives a place back as it was found.
    pub(crate) fn restore(&mut self, place: Place) {
        self.put(place, place.tag, place.full_at);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{Quota, gcra};

    /// Takes one unit as the store does.
    fn take(slots: &mut Slots, tag: u64, now: u64, quota: &Quota) -> bool {
        let place = slots.find(tag);
        let next = gcra::take(place.full_at, now, quota, 1);
        if let Some(next) = next {
            slots.put(place, tag, next);
        }
        next.is_some()
    }

    // RLM-10
    #[test]
    fn a_key_whose_schedule_has_run_out_goes_first() {
        let quota: Quota = "1/s burst 5".parse().unwrap();
        let (mut slots, second) = (Slots::default(), 1_000_000_000);
        (1..=7).for_each(|tag| assert!(take(&mut slots, tag, tag, &quota)));
        assert!(take(&mut slots, 8, second + 1, &quota));
        assert!(!slots.find(1).known && (2..=8).all(|tag| slots.find(tag).known));
        assert_eq!(slots.find(8).full_at, 2 * second + 1, "it took over no debt");
    }

    // RLM-10
    #[test]
    fn a_refused_stranger_pushes_nobody_out() {
        let quota: Quota = "1/s burst 1".parse().unwrap();
        let mut slots = Slots::default();
        (1..=7).for_each(|tag| assert!(take(&mut slots, tag, 0, &quota)));
        assert!(!take(&mut slots, 8, 1, &quota));
        assert!((1..=7).all(|tag| slots.find(tag).known));
    }

    // RLM-10
    #[test]
    fn strangers_are_not_locked_out_by_a_full_set() {
        let quota: Quota = "1/s burst 20".parse().unwrap();
        let mut slots = Slots::default();
        let passed = (1..=100).filter(|tag| take(&mut slots, *tag, 0, &quota)).count();
        assert_eq!(passed, 100, "each of 100 keys had one, in 7 places with room for 20");
    }

    proptest! {
        // RLM-10: whoever shares the set, and however often a key is pushed out, it never gets more than its own bucket.
        #[test]
        fn no_key_is_ever_better_off_than_with_a_place_of_its_own(
            steps in proptest::collection::vec((0_u64..20, 0_u64..2_000_000_000), 1..400)
        ) {
            let quota: Quota = "1/s burst 3".parse().unwrap();
            let (mut slots, mut alone, mut now) = (Slots::default(), HashMap::<u64, u64>::new(), 0);
            for (tag, pause) in steps {
                now += pause / 8;
                if take(&mut slots, tag + 1, now, &quota) {
                    let full_at = alone.entry(tag).or_default();
                    let next = gcra::take(*full_at, now, &quota, 1);
                    prop_assert!(next.is_some(), "key {} passed beyond its own bucket", tag);
                    *full_at = next.unwrap();
                }
            }
        }
    }
}
