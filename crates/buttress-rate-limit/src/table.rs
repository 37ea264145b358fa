use std::fmt;

use crate::{
    hash::Hasher,
    key::Key,
    slots::{Held, PLACES, Set},
};

/// The buckets of one limit of a [`MemoryStore`](crate::MemoryStore).
pub struct Table {
    hasher: Hasher,
    sets: Box<[Set]>,
}

/// Where a key belongs.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    set: &'a Set,
    pub(crate) tag: u32,
}

/// The keys that a set is made for.
const KEYS_PER_SET: usize = 1;

/// The memory of each key that there is room for.
pub(crate) const BYTES_PER_KEY: usize = 64;

impl Table {
    pub(crate) fn new(keys: usize) -> Self {
        let sets = (0..keys.div_ceil(KEYS_PER_SET)).map(|_| Set::new()).collect();
        Self { hasher: Hasher::new(), sets }
    }

    /// The upper bits of its hash are the set of a key, the lower ones stand for it there.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the set is below the number of sets, the tag is what is left")]
    pub(crate) fn spot(&self, key: &Key<'_>) -> Spot<'_> {
        let hash = self.hasher.hash(key);
        let set = ((u128::from(hash) * self.sets.len() as u128) >> 64) as usize;
        Spot { set: &self.sets[set], tag: hash as u32 }
    }
}

impl<'a> Spot<'a> {
    /// In which order sets are held by everybody who holds several: that of their places in memory.
    #[inline]
    pub(crate) fn order(&self) -> usize {
        std::ptr::from_ref(self.set).addr()
    }

    #[inline]
    pub(crate) fn fetch(&self) {
        self.set.fetch();
    }

    #[inline]
    pub(crate) fn hold(&self) -> Held<'a> {
        self.set.hold()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("places", &(self.sets.len() * PLACES)).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    // RLM-10
    #[test]
    fn a_key_takes_no_more_memory_than_is_published() {
        let table = Table::new(1_000_000);
        assert_eq!(size_of_val(&*table.sets), 1_000_000 * BYTES_PER_KEY);
    }
}
