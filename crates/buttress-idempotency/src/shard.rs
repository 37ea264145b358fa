//! A part of the memory store, under one lock.

mod room;

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    task::Waker,
    time::Duration,
};

use crate::{Bid, Claim, Held, Kept, Lease, Record, RecordKey, Settled, Settlement, State, Token};

/// Records, and who waits for them.
#[derive(Debug)]
pub(crate) struct Shard {
    slots: HashMap<RecordKey, Slot, BuildHasherDefault<Prefix>>,
    /// Done, with an answer, oldest first. What is no longer so is skipped when it comes to the front.
    whole: VecDeque<(RecordKey, Token)>,
    /// Done, without one, oldest first; the same.
    bare: VecDeque<(RecordKey, Token)>,
    /// Of all answers.
    bytes: usize,
    bounds: Bounds,
    /// When the whole shard was last looked through.
    swept: Option<Duration>,
}

/// How much a shard holds at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
struct Slot {
    record: Record,
    waiting: Vec<(u64, Waker)>,
}

impl Slot {
    fn bytes(&self) -> usize {
        match &self.record.state {
            State::Done(Kept::Whole(answer), _) => answer.len(),
            _ => 0,
        }
    }
}

/// Who is to be woken, once the lock is free.
pub(crate) type Woken = Vec<(u64, Waker)>;

impl Shard {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let (slots, whole, bare) = (HashMap::default(), VecDeque::new(), VecDeque::new());
        Self { slots, whole, bare, bytes: 0, bounds, swept: None }
    }

    #[inline]
    pub(crate) fn claim(&mut self, key: &RecordKey, bid: &Bid, token: Token, now: Duration) -> (Claim, Woken) {
        let found = self.slots.get(key).map(|slot| &slot.record);
        let record = match Record::claim(found, bid, token, now) {
            Ok(record) => record,
            Err(told) => return (told, Woken::new()),
        };
        // What it takes the place of is dead.
        let mut woken = self.remove(key);
        self.forget(now);
        if !self.has_room(now, &mut woken) {
            return (Claim::Full, woken);
        }
        self.slots.insert(*key, Slot { record, waiting: Vec::new() });
        (Claim::Won(token), woken)
    }

    pub(crate) fn renew(&mut self, key: &RecordKey, token: Token, lease: Lease, now: Duration) -> Held {
        self.slots.get_mut(key).map_or(Held::Lost, |slot| slot.record.renew(token, lease, now))
    }

    pub(crate) fn settle(
        &mut self,
        key: &RecordKey,
        token: Token,
        settlement: Settlement,
        now: Duration,
    ) -> (Settled, Woken) {
        let Some(slot) = self.slots.get_mut(key) else { return (Settled::Lost, Woken::new()) };
        let settlement = match settlement {
            Settlement::Complete(Kept::Whole(answer)) if answer.len() > self.bounds.bytes => {
                Settlement::Complete(Kept::Nothing)
            }
            other => other,
        };
        let settled = slot.record.settle(token, settlement, now);
        if settled != Settled::Now {
            return (settled, Woken::new());
        }
        let woken = std::mem::take(&mut slot.waiting);
        if slot.record.is_absent(now) {
            self.remove(key);
        } else if matches!(slot.record.state, State::Done(..)) {
            self.line_up(key, token);
        }
        (settled, woken)
    }

    /// Registers a waker under this number. `false` when the run has ended.
    pub(crate) fn wait(&mut self, key: &RecordKey, token: Token, number: u64, waker: &Waker) -> bool {
        let slot = self.slots.get_mut(key);
        let Some(slot) = slot.filter(|slot| slot.record.token == token && slot.is_running()) else {
            return false;
        };
        match slot.waiting.iter_mut().find(|(known, _)| *known == number) {
            Some((_, known)) => known.clone_from(waker),
            None => slot.waiting.push((number, waker.clone())),
        }
        true
    }

    pub(crate) fn leave(&mut self, key: &RecordKey, number: u64) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.waiting.retain(|(known, _)| *known != number);
        }
    }

    pub(crate) fn look(&self, key: &RecordKey, now: Duration) -> Option<Record> {
        self.slots.get(key).map(|slot| &slot.record).filter(|record| !record.is_absent(now)).cloned()
    }

    pub(crate) fn purge(&mut self, key: &RecordKey, now: Duration) -> (bool, Woken) {
        let known = self.look(key, now).is_some();
        (known, self.remove(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Slot {
    /// Whether it is done, and of this run.
    fn is(&self, token: Token) -> bool {
        self.record.token == token && matches!(self.record.state, State::Done(..))
    }

    fn is_running(&self) -> bool {
        matches!(self.record.state, State::Running(_))
    }
}

/// Keys are keyed hashes already: their first bytes are as good as any hash of them.
#[derive(Default, Debug)]
pub(crate) struct Prefix(u64);

impl Hasher for Prefix {
    fn write(&mut self, bytes: &[u8]) {
        // The length of the array comes first, the array itself last.
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
