use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    num::NonZeroUsize,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    Bid, Claim, Held, IdempotencyStore, Lease, Record, RecordKey, Settled, Settlement, Token,
    shard::{Bounds, Shard, Woken},
    sync::{Mutex, lock},
};

/// Keeps records in the memory of this process: they end with it, and other processes do not see them.
///
/// | bound | default | at the bound |
/// |---|---|---|
/// | [`Capacity::records`] | 100 000 | the oldest record that is done makes room; if none is, the claim is refused |
/// | [`Capacity::bytes`] | 64 MiB of answers | the oldest answers are dropped; their keys then say that the result has expired |
///
/// What runs and what is uncertain is never removed before its time (IDM-23). A key that had to make room is free again:
/// make the bound of records larger than the number of keys within the time that they are remembered.
///
/// Every operation takes effect when it is called, and its future is ready. A clone is the same store. Time is Tokio's.
///
/// # Examples
///
/// ```
/// use buttress_idempotency::{Capacity, MemoryStore};
///
/// let store = MemoryStore::new(Capacity { records: 10_000.try_into()?, bytes: (16 << 20).try_into()? });
/// assert!(store.is_empty());
/// # Ok::<(), std::num::TryFromIntError>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

/// How much a [`MemoryStore`] holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by whoever sets it up")]
pub struct Capacity {
    /// Keys, whatever their state.
    pub records: NonZeroUsize,
    /// Bytes of answers, headers included.
    pub bytes: NonZeroUsize,
}

struct Inner {
    shards: Box<[Mutex<Shard>]>,
    start: Instant,
    tokens: AtomicU64,
    waiters: AtomicU64,
}

/// From so many records on there are several shards; each then has room for the largest answers by far.
const MANY: usize = 4_096;
const SHARDS: usize = 16;
const ROOMY: usize = 32 << 20;

impl Default for Capacity {
    fn default() -> Self {
        let (records, bytes) = (NonZeroUsize::new(100_000), NonZeroUsize::new(64 << 20));
        Self { records: records.expect("not zero"), bytes: bytes.expect("not zero") }
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let (records, bytes) = (capacity.records.get(), capacity.bytes.get());
        let shards = if records >= MANY && bytes >= ROOMY { SHARDS } else { 1 };
        let bounds = Bounds { records: records / shards, bytes: bytes / shards };
        let shards = (0..shards).map(|_| Mutex::new(Shard::new(bounds))).collect();
        let (tokens, waiters) = (AtomicU64::new(1), AtomicU64::new(0));
        Self(Arc::new(Inner { shards, start: Instant::now(), tokens, waiters }))
    }

    /// How many keys it holds, those among them that nobody has looked at since they were forgotten.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of answers it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.shards.iter().map(|shard| lock(shard).bytes()).sum()
    }
}

impl Inner {
    fn shard(&self, key: &RecordKey) -> &Mutex<Shard> {
        // The map within takes the first bytes.
        let last = key.as_bytes()[31];
        &self.shards[usize::from(last) % self.shards.len()]
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Wakes outside of the lock.
fn wake(woken: Woken) {
    woken.into_iter().for_each(|(_, waker)| waker.wake());
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Capacity::default())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("len", &self.len()).field("bytes", &self.bytes()).finish()
    }
}

impl IdempotencyStore for MemoryStore {
    type Error = Infallible;
    type Claim = Ready<Result<Claim, Infallible>>;
    type Renew = Ready<Result<Held, Infallible>>;
    type Settle = Ready<Result<Settled, Infallible>>;
    type Wait = MemoryWait;
    type Look = Ready<Result<Option<Record>, Infallible>>;
    type Purge = Ready<Result<bool, Infallible>>;

    fn claim(&self, key: &RecordKey, bid: &Bid) -> Self::Claim {
        let token = Token::new(self.0.tokens.fetch_add(1, Ordering::Relaxed));
        let now = self.0.now();
        let (claim, woken) = lock(self.0.shard(key)).claim(key, bid, token, now);
        wake(woken);
        ready(Ok(claim))
    }

    fn renew(&self, key: &RecordKey, token: Token, lease: Lease) -> Self::Renew {
        let now = self.0.now();
        ready(Ok(lock(self.0.shard(key)).renew(key, token, lease, now)))
    }

    fn settle(&self, key: &RecordKey, token: Token, settlement: Settlement) -> Self::Settle {
        let now = self.0.now();
        let (settled, woken) = lock(self.0.shard(key)).settle(key, token, settlement, now);
        wake(woken);
        ready(Ok(settled))
    }

    fn wait(&self, key: &RecordKey, token: Token) -> MemoryWait {
        let number = self.0.waiters.fetch_add(1, Ordering::Relaxed);
        MemoryWait { store: self.clone(), key: *key, token, number, registered: false }
    }

    fn look(&self, key: &RecordKey) -> Self::Look {
        let now = self.0.now();
        ready(Ok(lock(self.0.shard(key)).look(key, now)))
    }

    fn purge(&self, key: &RecordKey) -> Self::Purge {
        let now = self.0.now();
        let (known, woken) = lock(self.0.shard(key)).purge(key, now);
        wake(woken);
        ready(Ok(known))
    }
}

/// Resolves when a run of a [`MemoryStore`] ends. Dropping it leaves nothing behind.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct MemoryWait {
    store: MemoryStore,
    key: RecordKey,
    token: Token,
    number: u64,
    registered: bool,
}

impl Future for MemoryWait {
    type Output = Result<(), Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { store, key, token, number, registered } = &mut *self;
        *registered = lock(store.0.shard(key)).wait(key, *token, *number, cx.waker());
        if *registered { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl Drop for MemoryWait {
    fn drop(&mut self) {
        if self.registered {
            lock(self.store.0.shard(&self.key)).leave(&self.key, self.number);
        }
    }
}
