use std::{collections::HashMap, convert::Infallible, error::Error, fmt, future::Ready, sync::Arc};

use crate::{Asks, Decision, RateStore, Reply, Table, clock::Clock, decide, table::BYTES_PER_KEY};

/// Buckets in the memory of this process.
///
/// # Bounds
///
/// Each limit has room for a number of keys that is set here, 65 536 unless said otherwise, and takes
/// [`BYTES_PER_KEY`](Self::BYTES_PER_KEY) for each: 4 MiB by default, all of it at once, and never more, whoever comes with
/// how many keys. A clone is the same store.
///
/// Keys compete for places in small sets: the hash of a key, with random numbers of this process, picks the set, and one
/// key comes to five places when the store is as full as it is meant to be. Where more keys than places are active, a
/// newcomer takes over the place whose bucket is full again first, *and what is missing in it*. So fresh keys, however
/// many, neither reset anybody's bucket nor shut others out (RLM-10): newcomers begin with a few units less. There is no
/// background task, and every decision costs the same: one line of the cache.
///
/// What stands for a key is its set, and 32 more bits of its hash: with room for 65 536 keys, two keys share a bucket with
/// a chance of 2^-48, and nobody can foresee which.
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
    clock: Clock,
    tables: Arc<std::sync::Mutex<HashMap<Box<str>, Arc<Table>>>>,
}

impl MemoryStore {
    /// The memory of each key that there is room for.
    pub const BYTES_PER_KEY: usize = BYTES_PER_KEY;

    /// The most keys that there can be room for.
    pub const MOST_KEYS: usize = 1 << 28;

    /// With room for so many keys in each limit.
    ///
    /// # Errors
    ///
    /// When it is zero or above [`MOST_KEYS`](Self::MOST_KEYS).
    pub fn new(keys: usize) -> Result<Self, InvalidCapacity> {
        Self::with_clock(keys, Clock::tokio)
    }

    /// The same by the time of the processor, which takes half the time to read, or less.
    ///
    /// This is the counter of cycles where it is reliable, and else the clock of the system. How fast it goes is measured
    /// once in a process, which takes up to 200 ms; so it may be wrong by some millionths, and on a machine that was moved
    /// to other hardware while it ran by more. It goes on while the clock of tokio is paused.
    ///
    /// # Errors
    ///
    /// As of [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use buttress_rate_limit::{ClientAddr, Limit, MemoryStore, RateLimitLayer};
    ///
    /// let store = MemoryStore::with_processor_clock(1_000_000)?;
    /// let limit = Limit::new("address", "120/min burst 40".parse()?, ClientAddr::peer());
    /// let layer = RateLimitLayer::with_store(store, [limit])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "quanta")]
    pub fn with_processor_clock(keys: usize) -> Result<Self, InvalidCapacity> {
        Self::with_clock(keys, Clock::processor)
    }

    fn with_clock(keys: usize, clock: impl FnOnce() -> Clock) -> Result<Self, InvalidCapacity> {
        if !(1..=Self::MOST_KEYS).contains(&keys) {
            return Err(InvalidCapacity(()));
        }
        Ok(Self { keys, clock: clock(), tables: Arc::default() })
    }

    /// How many keys each limit has room for.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    #[inline]
    pub(crate) fn decide_now(&self, asks: &Asks<'_, Arc<Table>>) -> Decision {
        decide::decide(asks, || self.clock.now())
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
        Self { keys: 1 << 16, clock: Clock::tokio(), tables: Arc::default() }
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("keys", &self.keys).finish_non_exhaustive()
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

    #[test]
    fn capacities_that_cannot_be_are_refused() {
        assert!(MemoryStore::new(0).is_err() && MemoryStore::new(usize::MAX).is_err());
        assert_eq!(MemoryStore::new(1).unwrap().keys(), 1);
    }

    #[cfg(all(feature = "quanta", feature = "conformance"))]
    #[tokio::test(start_paused = true)]
    async fn the_law_of_stores_holds_by_the_counter_too() {
        let (counter, hand) = quanta::Clock::mock();
        let start = counter.raw();
        let store = MemoryStore::with_clock(1_000, || Clock::Processor { counter, start }).unwrap();
        crate::conformance::check(&store, async |time| hand.increment(time)).await;
    }
}
