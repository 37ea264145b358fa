//! Who has to make room for whom.

use std::time::Duration;

use super::{Shard, Slot, Woken};
use crate::{Kept, RecordKey, State, Token, telemetry};

impl Shard {
    pub(super) fn remove(&mut self, key: &RecordKey) -> Woken {
        let Some(slot) = self.slots.remove(key) else { return Woken::new() };
        self.bytes -= slot.bytes();
        slot.waiting
    }

    /// A record that is done joins its queue; answers make room for it, oldest first.
    pub(super) fn line_up(&mut self, key: &RecordKey, token: Token) {
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
    pub(super) fn forget(&mut self, now: Duration) {
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
    pub(super) fn has_room(&mut self, now: Duration, woken: &mut Woken) -> bool {
        if self.slots.len() < self.bounds.records {
            return true;
        }
        self.sweep(now, woken);
        while self.slots.len() >= self.bounds.records {
            let Some((key, token)) = self.bare.pop_front().or_else(|| self.whole.pop_front()) else { return false };
            if self.slots.get(&key).is_some_and(|slot| slot.is(token)) {
                self.remove(&key);
                telemetry::evicted();
            }
        }
        true
    }

    /// Looks through all for what died: at most once a second.
    fn sweep(&mut self, now: Duration, woken: &mut Woken) {
        if self.swept.is_none_or(|swept| now.saturating_sub(swept) >= Duration::from_secs(1)) {
            self.swept = Some(now);
            let bytes = &mut self.bytes;
            self.slots.retain(|_, slot| {
                let stays = !slot.record.is_absent(now);
                if !stays {
                    *bytes -= slot.bytes();
                    woken.append(&mut slot.waiting);
                }
                stays
            });
        }
    }
}
