use crate::sync::{AtomicU64, Ordering, lanes, thread};

/// Successes that are not in the window yet, one counter for each lane of threads, so that threads do not meet.
///
/// Each counter is one word: the bucket and the generation that it counts for, a flag, and the count. A thread adds to
/// it only while bucket and generation are its own and the flag is down; whoever holds the circuit's lock takes the
/// counts out. Whatever is not added goes through the lock, and so does every call while the flag is up.
#[derive(Debug)]
pub(crate) struct Stripes {
    words: Box<[Padded]>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Padded(AtomicU64);

const COUNT: u64 = (1 << 28) - 1;
const WATCH: u64 = 1 << 28;
const GENERATION: u64 = (1 << 8) - 1;
const BUCKET: u64 = (1 << 27) - 1;

#[inline]
fn tag(generation: u64, bucket: u64) -> u64 {
    (bucket & BUCKET) << 37 | (generation & GENERATION) << 29
}

impl Stripes {
    /// Counts for nobody until they are begun.
    pub(crate) fn new() -> Self {
        Self { words: (0..lanes()).map(|_| Padded(AtomicU64::new(WATCH))).collect() }
    }

    /// Counts a success, unless the lock has to know.
    #[inline]
    pub(crate) fn add(&self, generation: u64, bucket: u64) -> bool {
        let tag = tag(generation, bucket);
        let word = &self.words[thread() & (self.words.len() - 1)].0;
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            // What is left without the tag is the count, if it is the same tag and the flag is down.
            if seen.wrapping_sub(tag) >= COUNT {
                return false;
            }
            match word.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes the counts of this generation out, with their buckets, and puts the flag up. Under the lock.
    ///
    /// Whoever counts a success from now on comes to the lock, so that none is missed by a decision.
    pub(crate) fn drain(&self, generation: u64, bucket: u64, mut take: impl FnMut(u64, u64)) {
        for Padded(word) in &self.words {
            let seen = word.swap(tag(generation, bucket) | WATCH, Ordering::AcqRel);
            let behind = bucket.wrapping_sub(seen >> 37) & BUCKET;
            if seen >> 29 & GENERATION == generation & GENERATION && seen & COUNT > 0 && behind <= bucket {
                take(bucket - behind, seen & COUNT);
            }
        }
    }

    /// Begins to count for this generation and bucket, with the flag up or down. Under the lock.
    pub(crate) fn begin(&self, generation: u64, bucket: u64, watch: bool) {
        let tag = tag(generation, bucket) | if watch { WATCH } else { 0 };
        // The flag has been up since the counts were taken out: there is nothing to lose.
        self.words.iter().for_each(|word| word.0.store(tag, Ordering::Release));
    }
}
