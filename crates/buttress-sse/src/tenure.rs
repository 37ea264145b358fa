//! What a stream is to those who use it through the trait of logs: one producer with a lease.

use std::{sync::Arc, task::Waker, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    Cursor, Excerpt, StreamState, Written,
    ring::{Ring, Slot},
    stream::{Channel, Stream},
    sync::{AtomicBool, lock},
};

/// How a claimed stream is held. One that a publisher owns is held until it is closed.
#[derive(Debug)]
pub(crate) struct Tenure {
    opened: bool,
    lease: Duration,
    /// When the lease lapses; never, if no clock reaches it.
    until: Option<Instant>,
    forgotten: bool,
}

/// What a producer wants of its stream.
#[derive(Debug)]
pub(crate) enum Change {
    Open,
    Append(Bytes),
    Finish(Option<Bytes>),
}

/// What a reader is told.
#[derive(Debug)]
pub(crate) enum News {
    Some(Excerpt),
    /// None yet; look again when the lease lapses, if it does.
    None(Option<Instant>),
    /// No more, ever.
    Gone,
}

/// The offset of a position that no stream of this epoch has ever had.
pub(crate) const LOST: u64 = u64::MAX;

impl Tenure {
    fn new(lease: Duration, now: Instant) -> Self {
        Self { opened: false, lease, until: now.checked_add(lease), forgotten: false }
    }

    fn renew(&mut self, now: Instant) {
        self.opened = true;
        self.until = now.checked_add(self.lease);
    }

    fn has_lapsed(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Channel {
    fn state(&self, now: Instant) -> StreamState {
        match &self.tenure {
            _ if self.finished => StreamState::Finished,
            None => StreamState::Live,
            Some(tenure) if tenure.has_lapsed(now) => StreamState::Abandoned,
            Some(tenure) if !tenure.opened => StreamState::Starting,
            Some(_) => StreamState::Live,
        }
    }

    /// The change, made or refused (pure but for the channel).
    fn change(&mut self, offset: u64, change: Change, now: Instant) -> Written {
        let last = self.ring.last();
        let Some(tenure) = self.tenure.as_mut().filter(|tenure| !self.finished && !tenure.forgotten) else {
            return Written::Refused;
        };
        match change {
            Change::Open => {}
            Change::Append(_) if offset >= 1 && offset <= last => {}
            Change::Append(event) if offset == last + 1 => self.ring.push(event),
            Change::Finish(None) if offset == last => self.finished = true,
            Change::Finish(Some(event)) if offset == last + 1 => {
                self.ring.push(event);
                self.finished = true;
            }
            Change::Append(_) | Change::Finish(_) => return Written::Refused,
        }
        tenure.renew(now);
        Written::Done
    }
}

impl Stream {
    /// A stream that has been claimed.
    pub(crate) fn claimed(
        start: &Cursor,
        ring: Ring,
        draining: Arc<AtomicBool>,
        lease: Duration,
        now: Instant,
    ) -> Self {
        let stream = Self::new(start.epoch_key().clone(), ring, draining);
        lock(&stream.channel).tenure = Some(Tenure::new(lease, now));
        stream
    }

    /// What became of the change, and whether the stream finished by it. Readers that wait for
    /// the finish are told by [`wake`](Self::wake).
    pub(crate) fn change(&self, at: &Cursor, change: Change, now: Instant) -> (Written, bool) {
        if !at.is_of(&self.epoch) {
            return (Written::Refused, false);
        }
        let mut channel = lock(&self.channel);
        let written = channel.change(at.offset(), change, now);
        let finished = written == Written::Done && channel.finished;
        let woken = if finished { None } else { channel.waiters.take() };
        drop(channel);
        if let Some(woken) = woken {
            woken.wake();
        }
        (written, finished)
    }

    /// Takes the stream from its producer and tells who waits.
    pub(crate) fn forsake(&self) {
        self.announce(|channel| channel.tenure.iter_mut().for_each(|tenure| tenure.forgotten = true));
    }

    /// Whether its producer vanished before it had opened it.
    pub(crate) fn is_stillborn(&self, now: Instant) -> bool {
        let channel = lock(&self.channel);
        channel.state(now) == StreamState::Abandoned && channel.tenure.as_ref().is_some_and(|tenure| !tenure.opened)
    }

    pub(crate) fn is_abandoned(&self, now: Instant) -> bool {
        lock(&self.channel).state(now) == StreamState::Abandoned
    }

    pub(crate) fn excerpt(&self, after: Option<&Cursor>, most: usize, now: Instant) -> Excerpt {
        let after = after.map(|cursor| if cursor.is_of(&self.epoch) { cursor.offset() } else { LOST });
        self.excerpt_of(&lock(&self.channel), after, most, now)
    }

    fn excerpt_of(&self, channel: &Channel, after: Option<u64>, most: usize, now: Instant) -> Excerpt {
        let (first, last) = (channel.ring.first(), channel.ring.last());
        let known = after.filter(|after| (first - 1..=last).contains(after));
        let next = known.map_or(first, |after| after + 1);
        let events = (next..=last).take(most.max(1)).map_while(|offset| match channel.ring.at(offset) {
            Slot::Held(event) => Some(event.clone()),
            Slot::Evicted | Slot::Ahead => None,
        });
        let (events, state) = (events.collect(), channel.state(now));
        Excerpt { state, from: self.cursor(next - 1), covered: known.is_some(), events, last }
    }

    /// What is new to a reader that stands at this offset and has seen this state; if nothing is, `waker` is called
    /// once something is. The waker that it replaces is dropped here, with no lock held.
    pub(crate) fn news(
        &self,
        (at, seen): (u64, StreamState),
        most: usize,
        slot: &mut Option<u32>,
        waker: &Waker,
        now: Instant,
    ) -> News {
        let mut channel = lock(&self.channel);
        if channel.tenure.as_ref().is_some_and(|tenure| tenure.forgotten) {
            return News::Gone;
        }
        if at != channel.ring.last() || channel.state(now) != seen {
            return News::Some(self.excerpt_of(&channel, Some(at), most, now));
        }
        if channel.finished {
            return News::Gone;
        }
        let until = channel.tenure.as_ref().and_then(|tenure| tenure.until);
        let replaced = channel.waiters.wait(slot, waker);
        drop(channel);
        drop(replaced);
        News::None(until)
    }

    pub(crate) fn state(&self, now: Instant) -> StreamState {
        lock(&self.channel).state(now)
    }

    /// Gives back the slot of who waited.
    pub(crate) fn leave(&self, slot: u32) {
        let waker = lock(&self.channel).waiters.leave(slot);
        drop(waker);
    }
}
