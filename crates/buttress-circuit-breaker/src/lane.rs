use std::{
    array,
    sync::{Arc, Weak},
};

use crate::{
    circuit::Machine,
    clock::Moment,
    entry::Ticket,
    rules::{Rules, Usual},
    shared::Shared,
    sync::{AtomicI64, AtomicU64, MOST_LANES, Mutex, Ordering, lock, thread},
    window::{Nanos, Sample},
};

/// What one lane of threads needs of a circuit, on cache lines of its own: how it stands, what its rules say of most
/// calls, and the successes of these threads that are not in the window yet.
///
/// A lane lives for ever, and belongs to one circuit after the other. So a call can keep it without counting references,
/// which would be two writes more; what it may do is up to its [`Ticket`], which no other circuit ever gave.
///
/// Successes are counted in one word: how the circuit stands, a flag, and the count. A thread adds to it only while the
/// circuit stands as its ticket says and the flag is down; whoever holds the circuit's lock takes the counts out. Whatever
/// is not added goes through the lock: every call while the flag is up, and the first in another bucket of time.
// Twice a cache line, for processors that fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Lane {
    standing: AtomicU64,
    successes: AtomicU64,
    /// When the running bucket of the window ends, as a [`Moment`].
    ends: AtomicI64,
    usual: AtomicU64,
    /// After how long a call is slow.
    slow_after: AtomicI64,
    began: AtomicI64,
    owner: Mutex<Weak<Shared>>,
}

const COUNT: u64 = WATCH - 1;
const WATCH: u64 = 1 << (TAG - 1);

/// The bits below how the circuit stands, of which there is room for the last. A million calls are worth a lock.
const TAG: u32 = u64::BITS - Ticket::LAST;

/// When the bucket of a window of calls ends, and after how long a call is slow where none is.
const NEVER: i64 = i64::MAX;

#[inline]
fn tag(standing: Ticket) -> u64 {
    standing.0 << TAG
}

impl Lane {
    /// Counts for nobody.
    fn new() -> Self {
        Self {
            standing: AtomicU64::new(Ticket::NOBODYS.0),
            successes: AtomicU64::new(WATCH),
            ends: AtomicI64::new(NEVER),
            usual: AtomicU64::new(0),
            slow_after: AtomicI64::new(0),
            began: AtomicI64::new(0),
            owner: Mutex::new(Weak::new()),
        }
    }

    /// How the circuit stands.
    #[inline]
    pub(crate) fn standing(&self) -> Ticket {
        Ticket(self.standing.load(Ordering::Acquire))
    }

    /// What its rules say of most calls.
    #[inline]
    pub(crate) fn usual(&self) -> Usual {
        Usual(self.usual.load(Ordering::Relaxed))
    }

    /// Whether a call that took so long is slow.
    #[inline]
    pub(crate) fn is_slow(&self, time: i64) -> bool {
        time > self.slow_after.load(Ordering::Relaxed)
    }

    /// Nanoseconds since the circuit was made.
    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        Moment::now().since(Moment(self.began.load(Ordering::Relaxed)))
    }

    /// The circuit that gave this ticket, unless it is gone.
    pub(crate) fn circuit(&self, ticket: Ticket) -> Option<Arc<Shared>> {
        let owner = lock(&self.owner).upgrade();
        owner.filter(|shared| shared.gave(ticket))
    }

    /// Counts a success that was not slow, unless the lock has to know: the usual case, which writes to nothing that other
    /// threads write to.
    #[inline]
    pub(crate) fn count(&self, ticket: Ticket) -> bool {
        // Acquire: who sees the end of a new bucket sees that the counts of the old one were taken out.
        let ends = self.ends.load(Ordering::Acquire);
        // Another thread may have begun the next bucket since: then this success came late, and counts there.
        if ends != NEVER && Moment::now() >= Moment(ends) {
            return false;
        }
        let tag = tag(ticket);
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

    /// Takes any result of a call; `None` says nothing. Nobody wants it once the circuit is gone.
    #[cold]
    #[inline(never)]
    pub(crate) fn settle(&self, ticket: Ticket, sample: Option<Sample>, now: Option<Nanos>) {
        if let Some(shared) = self.circuit(ticket) {
            shared.settle(ticket, sample, now);
        }
    }
}

/// The lanes of a circuit.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Each of them as often as it takes, so that any thread finds its own without a look at how many there are.
    by_thread: [&'static Lane; MOST_LANES],
    count: usize,
}

impl Lanes {
    /// Lanes that count for nobody, until they are begun.
    pub(crate) fn new(count: usize, rules: &Rules, began: Moment, owner: &Weak<Shared>) -> Self {
        let free = || lock(&FREE).pop();
        let lanes: Vec<_> = (0..count).map(|_| free().unwrap_or_else(|| Box::leak(Box::new(Lane::new())))).collect();
        for lane in &lanes {
            lane.usual.store(rules.usual().0, Ordering::Relaxed);
            lane.slow_after.store(rules.slow_after.map_or(NEVER, Nanos::cast_signed), Ordering::Relaxed);
            lane.began.store(began.0, Ordering::Relaxed);
            *lock(&lane.owner) = owner.clone();
        }
        Self { by_thread: array::from_fn(|thread| lanes[thread % count]), count }
    }

    /// The lane of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> &'static Lane {
        self.by_thread[thread() % MOST_LANES]
    }

    fn all(&self) -> &[&'static Lane] {
        &self.by_thread[..self.count]
    }

    /// Takes the counts out, and puts the flag up. Under the lock.
    ///
    /// Whoever counts a success from now on comes to the lock, so that none is missed by a decision.
    pub(crate) fn drain(&self, standing: Ticket) -> u64 {
        let empty = tag(standing) | WATCH;
        self.all().iter().map(|lane| lane.successes.swap(empty, Ordering::AcqRel) & COUNT).sum()
    }

    /// Begins to count for how the circuit stands now and its running bucket, with the flag up or down. Under the lock.
    pub(crate) fn begin(&self, machine: &Machine, began: Moment) {
        let standing = machine.standing();
        let word = tag(standing) | if machine.watches_successes() { WATCH } else { 0 };
        let ends = machine.bucket_ends().map_or(NEVER, |ends| began.after(ends).0);
        for lane in self.all() {
            lane.standing.store(standing.0, Ordering::Release);
            lane.ends.store(ends, Ordering::Release);
            // The flag has been up since the counts were taken out: there is nothing to lose.
            lane.successes.store(word, Ordering::Release);
        }
    }
}

impl Drop for Lanes {
    /// Leaves them to the next circuit. Whoever still has a ticket of this one finds that it is no longer worth anything.
    fn drop(&mut self) {
        for lane in self.all() {
            lane.successes.store(WATCH, Ordering::Release);
            lane.standing.store(Ticket::NOBODYS.0, Ordering::Release);
            *lock(&lane.owner) = Weak::new();
        }
        lock(&FREE).extend(self.all());
    }
}

/// Lanes without a circuit: never more than there were circuits at a time.
#[cfg(not(loom))]
static FREE: Mutex<Vec<&'static Lane>> = Mutex::new(Vec::new());

// What loom makes does not outlive a run of its model.
#[cfg(loom)]
loom::lazy_static! {
    static ref FREE: Mutex<Vec<&'static Lane>> = Mutex::new(Vec::new());
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::HashSet, ptr};

    use super::{COUNT, tag};
    use crate::{BreakerLayer, Policy, State, Window, entry::Ticket, window::Sample};

    // CBK-7
    #[test]
    fn a_lane_takes_no_circuit_for_another_however_often_they_opened() {
        let ticket = |circuit, generation| Ticket::of_generation(circuit, generation, State::Closed, false);
        let tags: HashSet<_> = (1..=300).flat_map(|circuit| (0..300).map(move |n| tag(ticket(circuit, n)))).collect();
        assert_eq!(tags.len(), 300 * 300);
    }

    #[test]
    fn a_lane_that_is_full_is_taken_out_and_goes_on() {
        let layer = BreakerLayer::new("a", Policy::new(Window::calls(10))).unwrap();
        let circuit = layer.circuit().unwrap();
        let lane = circuit.lane();
        let ticket = lane.standing();
        assert_eq!((0..=COUNT).filter(|_| lane.count(ticket)).count() as u64, COUNT);
        lane.settle(ticket, Some(Sample::SUCCESS), None);
        assert!(lane.count(ticket));
        assert_eq!(circuit.snapshot().calls, 10);
    }

    #[test]
    fn lanes_go_from_one_circuit_to_the_next() {
        let addresses = |layer: &BreakerLayer| {
            let circuit = layer.circuit().unwrap();
            let lanes: Vec<_> = circuit.shared().lanes().all().iter().map(|lane| ptr::from_ref(*lane).addr()).collect();
            lanes
        };
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            let layer = BreakerLayer::new("a", Policy::new(Window::calls(10)).minimum_calls(1)).unwrap();
            let lanes = addresses(&layer);
            assert_eq!(lanes.iter().collect::<HashSet<_>>().len(), lanes.len(), "each is somebody's alone");
            seen.extend(lanes);
        }
        // Other tests take some meanwhile.
        assert!(seen.len() < 1_000, "{} lanes", seen.len());
    }
}
