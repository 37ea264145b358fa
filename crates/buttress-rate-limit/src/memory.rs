use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error,
    fmt,
    future::Ready,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::time::Instant;

use crate::{
    Asks, Decision, RateStore, Reply, decide,
    hash::Hasher,
    key::Key,
    slots::{PLACES, Slots},
    sync::{Mutex, MutexGuard, lock},
};

/// Buckets in the memory of this process.
///
/// # Bounds
///
/// Each limit has room for a number of keys that is set here, 65 536 unless said otherwise, and takes
/// [`BYTES_PER_KEY`](Self::BYTES_PER_KEY) for each: 4 MiB by default, all of it at once, and never more, whoever comes with
/// how many keys. A clone is the same store.
///
/// Keys compete for places in small sets: the hash of a key, with random numbers of this process, picks the set, and two
/// keys come to seven places when the store is as full as it is meant to be. Where more keys than places are active, a
/// newcomer takes over the place whose bucket is full again first, *and what is missing in it*. So fresh keys, however
/// many, neither reset anybody's bucket nor shut others out (RLM-10): newcomers begin with a few units less. There is no
/// background task, and every decision costs the same.
///
/// What stands for a key is its hash of 64 bits: two keys share a bucket with a chance of 2^-64.
///
/// # Examples
///
/// ```
/// use buttress_rate_limit::{ClientAddr, Limit, MemoryStore, RateLimitLayer};
///
/// let store = MemoryStore::new(1_000_000)?;
/// let limit = Limit::new("address", "120/min burst 40".parse()?, ClientAddr::peer());
/// let layer = RateLimitLayer::with_store(store, [limit])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    keys: usize,
    start: Instant,
    tables: Arc<std::sync::Mutex<HashMap<Box<str>, Arc<Table>>>>,
}

/// The buckets of one limit of a [`MemoryStore`].
pub struct Table {
    /// Locks are taken in the order of these.
    id: u64,
    hasher: Hasher,
    sets: Box<[Set]>,
}

/// As large as two lines of a cache, and beginning with one.
#[repr(align(128))]
struct Set(Mutex<Slots>);

/// Where a key belongs.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    table: &'a Table,
    set: usize,
    pub(crate) tag: u64,
}

/// The keys that a set is made for.
const KEYS_PER_SET: usize = 2;

impl MemoryStore {
    /// The memory of each key that there is room for.
    pub const BYTES_PER_KEY: usize = 64;

    /// The most keys that there can be room for.
    pub const MOST_KEYS: usize = 1 << 28;

    /// With room for so many keys in each limit.
    ///
    /// # Errors
    ///
    /// When it is zero or above [`MOST_KEYS`](Self::MOST_KEYS).
    pub fn new(keys: usize) -> Result<Self, InvalidCapacity> {
        if (1..=Self::MOST_KEYS).contains(&keys) { Ok(Self::with_room(keys)) } else { Err(InvalidCapacity(())) }
    }

    fn with_room(keys: usize) -> Self {
        Self { keys, start: Instant::now(), tables: Arc::default() }
    }

    /// How many keys each limit has room for.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Nanoseconds since the store was made.
    #[inline]
    fn now(&self) -> u64 {
        let elapsed = Instant::now().saturating_duration_since(self.start);
        // Good for 584 years.
        elapsed.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(elapsed.subsec_nanos()))
    }

    #[inline]
    pub(crate) fn decide_now(&self, asks: &Asks<'_, Arc<Table>>) -> Decision {
        decide::decide(asks, self.now())
    }
}

impl RateStore for MemoryStore {
    type Limit = Arc<Table>;
    type Error = Infallible;
    type Deciding = Ready<Result<Decision, Infallible>>;

    fn open(&self, name: &str) -> Arc<Table> {
        let mut tables = self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let table = tables.entry(name.into()).or_insert_with(|| Arc::new(Table::new(self.keys)));
        Arc::clone(table)
    }

    #[inline]
    fn decide(&self, asks: &Asks<'_, Arc<Table>>) -> Reply<Self::Deciding> {
        Reply::Now(Ok(self.decide_now(asks)))
    }
}

/// With room for 65 536 keys in each limit.
impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_room(1 << 16)
    }
}

impl Table {
    fn new(keys: usize) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let set = |_| Set(Mutex::new(Slots::default()));
        let sets = (0..keys.div_ceil(KEYS_PER_SET)).map(set).collect();
        Self { id: IDS.fetch_add(1, Ordering::Relaxed), hasher: Hasher::new(), sets }
    }

    #[inline]
    pub(crate) fn spot(&self, key: &Key<'_>) -> Spot<'_> {
        let tag = self.hasher.hash(key);
        #[expect(clippy::cast_possible_truncation, reason = "it is below the number of sets")]
        let set = ((u128::from(tag) * self.sets.len() as u128) >> 64) as usize;
        Spot { table: self, set, tag }
    }
}

impl<'a> Spot<'a> {
    /// In which order sets are locked.
    #[inline]
    pub(crate) fn order(&self) -> (u64, usize) {
        (self.table.id, self.set)
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'a, Slots> {
        lock(&self.table.sets[self.set].0)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("places", &(self.sets.len() * PLACES)).finish_non_exhaustive()
    }
}

/// A number of keys that no store can have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCapacity(());

impl fmt::Display for InvalidCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a store has room for 1 to {} keys", MemoryStore::MOST_KEYS)
    }
}

impl Error for InvalidCapacity {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    // RLM-10
    #[test]
    fn a_key_takes_no_more_memory_than_is_published() {
        let table = Table::new(1_000_000);
        assert_eq!(size_of_val(&*table.sets), 1_000_000 * MemoryStore::BYTES_PER_KEY);
        assert!(table.sets.len() * PLACES > 3 * 1_000_000);
    }

    #[test]
    fn capacities_that_cannot_be_are_refused() {
        assert!(MemoryStore::new(0).is_err() && MemoryStore::new(usize::MAX).is_err());
        assert_eq!(MemoryStore::new(1).unwrap().keys(), 1);
    }
}
