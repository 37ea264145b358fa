use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    hash::{BuildHasherDefault, Hasher as StdHasher},
    sync::Arc,
};

use crate::{
    hash::Hasher,
    key::Key,
    sync::{Mutex, lock},
};

/// How many requests of each key are under way. A key without any takes no room.
#[derive(Debug)]
pub(crate) struct InFlight {
    hasher: Hasher,
    shards: [Mutex<Counts>; SHARDS],
}

/// By the hash of the key, which is as good as random.
type Counts = HashMap<u64, u32, BuildHasherDefault<AsItIs>>;

const SHARDS: usize = 16;

/// One request under way: it ends when this is dropped.
pub(crate) struct Permit {
    table: Arc<InFlight>,
    hash: u64,
}

impl InFlight {
    pub(crate) fn new() -> Self {
        Self { hasher: Hasher::new(), shards: std::array::from_fn(|_| Mutex::new(Counts::default())) }
    }

    /// Another request of this key, if there are fewer than `most`.
    pub(crate) fn enter(self: &Arc<Self>, key: &Key<'_>, most: u32) -> Option<Permit> {
        let hash = self.hasher.hash(key);
        let mut counts = lock(self.shard(hash));
        match counts.entry(hash) {
            Entry::Occupied(count) if *count.get() >= most => return None,
            Entry::Occupied(mut count) => *count.get_mut() += 1,
            Entry::Vacant(_) if most == 0 => return None,
            Entry::Vacant(count) => _ = count.insert(1),
        }
        Some(Permit { table: Arc::clone(self), hash })
    }

    /// How many requests of this key are under way.
    pub(crate) fn count(&self, key: &Key<'_>) -> u32 {
        let hash = self.hasher.hash(key);
        lock(self.shard(hash)).get(&hash).copied().unwrap_or(0)
    }

    #[expect(clippy::cast_possible_truncation, reason = "a remainder of 16")]
    fn shard(&self, hash: u64) -> &Mutex<Counts> {
        &self.shards[hash as usize % SHARDS]
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = lock(self.table.shard(self.hash)).entry(self.hash) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

/// Takes a hash for what it is.
#[derive(Default)]
struct AsItIs(u64);

impl StdHasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    // RLM-13
    #[test]
    fn a_permit_is_given_back_when_it_is_dropped_and_nothing_of_a_key_stays() {
        let (table, key) = (Arc::new(InFlight::new()), Key::text("alice"));
        let permits: Vec<_> = (0..3).map(|_| table.enter(&key, 3)).collect();
        assert!(permits.iter().all(Option::is_some) && table.enter(&key, 3).is_none());
        assert!(table.enter(&Key::text("bob"), 1).is_some());
        assert_eq!(table.count(&key), 3);
        drop(permits);
        assert_eq!(table.count(&key), 0);
        assert!(table.shards.iter().all(|shard| lock(shard).is_empty()));
    }

    #[test]
    fn none_at_all_is_possible() {
        assert!(Arc::new(InFlight::new()).enter(&Key::EVERYBODY, 0).is_none());
    }
}
