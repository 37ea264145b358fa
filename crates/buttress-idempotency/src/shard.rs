//! A part of the memory store, under one lock.

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

    pub(crate) fn claim(&mut self, key: &RecordKey, bid: &Bid, token: Token, now: Duration) -> (Claim, Woken) {
        let found = self.slots.get(key).map(|slot| &slot.record);
        let record = match Record::claim(found, bid, token, now) {
            Ok(record) => record,
            Err(told) => return (told, Woken::new()),
        };
        // What it takes the place of is dead.
        let woken = self.remove(key);
        self.forget(now);
        if !self.has_room(now) {
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

    fn remove(&mut self, key: &RecordKey) -> Woken {
        let Some(slot) = self.slots.remove(key) else { return Woken::new() };
        self.bytes -= slot.bytes();
        slot.waiting
    }

    /// A record that is done joins its queue; answers make room for it, oldest first.
    fn line_up(&mut self, key: &RecordKey, token: Token) {
        let bytes = self.slots.get(key).map_or(0, Slot::bytes);
        let queue = if bytes > 0 { &mut self.whole } else { &mut self.bare };
        queue.push_back((*key, token));
        self.bytes += bytes;
        while self.bytes > self.bounds.bytes {
            let Some((key, token)) = self.whole.pop_front() else { break };
            let Some(slot) = self.slots.get_mut(&key).filter(|slot| slot.is(token)) else { continue };
            self.bytes -= slot.bytes();
            if let State::Done(kept, _) = &mut slot.record.state {
                *kept = Kept::Dropped;
            }
            self.bare.push_back((key, token));
        }
        self.compact();
    }

    /// Those who were purged leave their places behind.
    fn compact(&mut self) {
        if self.whole.len() + self.bare.len() > 2 * self.slots.len() + 64 {
            let known = |(key, token): &(RecordKey, Token)| self.slots.get(key).is_some_and(|slot| slot.is(*token));
            self.whole.retain(known);
            self.bare.retain(known);
        }
    }

    /// Removes the oldest that are forgotten, and the oldest answers that are kept no longer.
    fn forget(&mut self, now: Duration) {
        while let Some((key, token)) = self.whole.front().copied() {
            match self.slots.get_mut(&key).filter(|slot| slot.is(token)) {
                Some(slot) if slot.record.is_absent(now) => _ = self.remove(&key),
                Some(slot) => match &mut slot.record.state {
                    State::Done(kept @ Kept::Whole(_), until) if *until <= now => {
                        let dropped = std::mem::replace(kept, Kept::Dropped);
                        self.bytes -= if let Kept::Whole(answer) = dropped { answer.len() } else { 0 };
                        self.bare.push_back((key, token));
                    }
                    _ => break,
                },
                None => {}
            }
            self.whole.pop_front();
        }
        while let Some((key, token)) = self.bare.front().copied() {
            match self.slots.get(&key).filter(|slot| slot.is(token)) {
                Some(slot) if !slot.record.is_absent(now) => break,
                Some(_) => _ = self.remove(&key),
                None => {}
            }
            self.bare.pop_front();
        }
    }

    /// Whether another record fits: if need be, in the place of the oldest that is done. What runs, and what is uncertain,
    /// stays (IDM-23).
    fn has_room(&mut self, now: Duration) -> bool {
        if self.slots.len() < self.bounds.records {
            return true;
        }
        self.sweep(now);
        while self.slots.len() >= self.bounds.records {
            let Some((key, token)) = self.bare.pop_front().or_else(|| self.whole.pop_front()) else { return false };
            if self.slots.get(&key).is_some_and(|slot| slot.is(token)) {
                self.remove(&key);
                crate::telemetry::evicted();
            }
        }
        true
    }

    /// Looks through all for what died: at most once a second.
    fn sweep(&mut self, now: Duration) {
        if self.swept.is_none_or(|swept| now.saturating_sub(swept) >= Duration::from_secs(1)) {
            self.swept = Some(now);
            let bytes = &mut self.bytes;
            self.slots.retain(|_, slot| {
                let stays = !slot.record.is_absent(now);
                if !stays {
                    *bytes -= slot.bytes();
                    slot.waiting.drain(..).for_each(|(_, waker)| waker.wake());
                }
                stays
            });
        }
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
