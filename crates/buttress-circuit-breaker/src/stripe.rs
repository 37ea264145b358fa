use std::sync::Arc;

use crate::{
    entry::Ticket,
    sync::{AtomicU64, Ordering, lanes},
};

/// What one lane of threads needs of a circuit, on a cache line of its own: how it stands, and the successes of these
/// threads that are not in the window yet.
///
/// They are counted in one word: the bucket and the generation that it counts for, a flag, and the count. A thread adds
/// to it only while bucket and generation are its own and the flag is down; whoever holds the circuit's lock takes the
/// counts out. Whatever is not added goes through the lock, and so does every call while the flag is up.
// With the counts before it, two cache lines, of which only the second is written to: as with lanes, that is enough.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Stripe {
    standing: AtomicU64,
    successes: AtomicU64,
}

/// The stripes of all lanes.
#[derive(Debug)]
pub(crate) struct Stripes(Box<[Arc<Stripe>]>);

const COUNT: u64 = (1 << 28) - 1;
const WATCH: u64 = 1 << 28;
const GENERATION: u64 = (1 << 8) - 1;
const BUCKET: u64 = (1 << 27) - 1;

#[inline]
fn tag(generation: u64, bucket: u64) -> u64 {
    (bucket & BUCKET) << 37 | (generation & GENERATION) << 29
}

impl Stripe {
    /// How the circuit stands.
    #[inline]
    pub(crate) fn standing(&self) -> Ticket {
        Ticket(self.standing.load(Ordering::Acquire))
    }

    /// Counts a success, unless the lock has to know.
    #[inline]
    pub(crate) fn add(&self, ticket: Ticket, bucket: u64) -> bool {
        // The word knows no more than the end of a generation. The right to a trial is never how a circuit stands.
        if self.standing() != ticket {
            return false;
        }
        let tag = tag(ticket.generation(), bucket);
        let mut seen = self.successes.load(Ordering::Relaxed);
        loop {
            // What is left without the tag is the count, if it is the same tag and the flag is down.
            if seen.wrapping_sub(tag) >= COUNT {
                return false;
            }
            match self.successes.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }
}

impl Stripes {
    /// Counts for nobody until they are begun.
    pub(crate) fn new() -> Self {
        let stripe = || Stripe { standing: AtomicU64::new(0), successes: AtomicU64::new(WATCH) };
        Self((0..lanes()).map(|_| Arc::new(stripe())).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Stripe>> {
        self.0.iter()
    }

    /// Takes the counts of this generation out, with their buckets, and puts the flag up. Under the lock.
    ///
    /// Whoever counts a success from now on comes to the lock, so that none is missed by a decision.
    pub(crate) fn drain(&self, generation: u64, bucket: u64, mut take: impl FnMut(u64, u64)) {
        for stripe in &self.0 {
            let seen = stripe.successes.swap(tag(generation, bucket) | WATCH, Ordering::AcqRel);
            let behind = bucket.wrapping_sub(seen >> 37) & BUCKET;
            if seen >> 29 & GENERATION == generation & GENERATION && seen & COUNT > 0 && behind <= bucket {
                take(bucket - behind, seen & COUNT);
            }
        }
    }

    /// Begins to count for how the circuit stands and this bucket, with the flag up or down. Under the lock.
    pub(crate) fn begin(&self, standing: Ticket, bucket: u64, watch: bool) {
        let tag = tag(standing.generation(), bucket) | if watch { WATCH } else { 0 };
        for stripe in &self.0 {
            stripe.standing.store(standing.0, Ordering::Release);
            // The flag has been up since the counts were taken out: there is nothing to lose.
            stripe.successes.store(tag, Ordering::Release);
        }
    }
}
