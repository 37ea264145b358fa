//! The state machine of one key. Pure: the moment is told by whoever holds the record.

use std::time::Duration;

use bytes::Bytes;

use crate::{Bid, Claim, Fingerprint, Held, Lease, Retention, Settled, Settlement};

/// All that is known of one key.
///
/// Moments are told by the clock of the store, as the time since a beginning that the store chooses; each record is judged
/// by its own moments when it is read, whatever the store has or has not deleted yet (IDM-11).
///
/// Stores that keep whole records use these transitions as they are. Stores that must decide in one place, by a script for
/// instance, do the same there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores of other crates make it")]
pub struct Record {
    /// Of the request that began it.
    pub fingerprint: Fingerprint,
    /// Of whoever may change it.
    pub token: Token,
    /// Whether what runs has an effect outside of this server.
    pub effect: Effect,
    /// How long it is kept.
    pub retention: Retention,
    /// How far it has come.
    pub state: State,
    /// When it counts as unknown.
    pub forget_at: Duration,
}

/// How far the run of a key has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further state is for every store to decide on")]
pub enum State {
    /// It runs, under a lease that lapses at this moment.
    Running(Duration),
    /// It is not known whether it took effect.
    Uncertain,
    /// It is done; what is kept of its answer can be had up to this moment.
    Done(Kept, Duration),
}

/// What is kept of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further case is for every store to decide on")]
pub enum Kept {
    /// All of it, as the layer encoded it: to stores it is bytes.
    Whole(Bytes),
    /// Nothing: it was too long or found no room, was a stream, or broke off.
    Nothing,
    /// Nothing any more: the store had no room for it.
    Dropped,
}

/// Whether a run has an effect outside of this server, such as a job that is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is or there is not")]
pub enum Effect {
    /// It has: what was not seen to its end is uncertain, and never runs again by itself (IDM-12).
    Outside,
    /// It has not: what was not seen to its end may run again.
    None,
}

/// Who may change a record: each claim that is won in a store has a greater one than all before it.
///
/// Hand it to what a run changes, so that a run that was believed dead and comes late can be told from the one that took
/// its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    /// A token by its number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl Record {
    /// A request comes with the key. `Ok` is the record that is to be written, with `token`, which it has won.
    ///
    /// ```text
    /// absent                         → running: won
    /// running, lease lapsed          → running: won, or uncertain
    /// running | uncertain | done     → the same, and told apart by the fingerprint
    /// ```
    ///
    /// # Errors
    ///
    /// What to tell the caller instead, when nothing is to be written.
    #[inline]
    pub fn claim(found: Option<&Self>, bid: &Bid, token: Token, now: Duration) -> Result<Self, Claim> {
        if let Some(record) = found.filter(|record| !record.is_absent(now)) {
            return Err(record.told_to(bid, now));
        }
        let until = now.saturating_add(bid.lease.duration());
        Ok(Self {
            fingerprint: bid.fingerprint,
            token,
            effect: bid.effect,
            retention: bid.retention,
            state: State::Running(until),
            forget_at: until.saturating_add(bid.retention.key()),
        })
    }

    #[inline]
    fn told_to(&self, bid: &Bid, now: Duration) -> Claim {
        if self.fingerprint != bid.fingerprint {
            return Claim::Mismatch;
        }
        match &self.state {
            State::Running(until) if *until > now => Claim::Running { token: self.token, left: *until - now },
            State::Running(_) | State::Uncertain => Claim::Uncertain,
            State::Done(Kept::Whole(_) | Kept::Nothing, until) if *until <= now => Claim::Expired,
            State::Done(Kept::Whole(answer), _) => Claim::Replay(answer.clone()),
            State::Done(Kept::Nothing, _) => Claim::NotReplayable,
            State::Done(Kept::Dropped, _) => Claim::Expired,
        }
    }

    /// Whether the key is free: forgotten, or its run is believed dead and had no effect.
    #[must_use]
    pub fn is_absent(&self, now: Duration) -> bool {
        let dead = matches!(self.state, State::Running(until) if until <= now);
        now >= self.forget_at || (dead && self.effect == Effect::None)
    }

    /// Whether a run holds it whose lease has not lapsed.
    #[must_use]
    pub fn is_running(&self, now: Duration) -> bool {
        matches!(self.state, State::Running(until) if until > now) && now < self.forget_at
    }

    /// The run says that it lives (IDM-10). A lease that lapsed is taken up again if nobody else has taken the key.
    pub fn renew(&mut self, token: Token, lease: Lease, now: Duration) -> Held {
        if !self.is_open_to(token, now) {
            return Held::Lost;
        }
        let until = now.saturating_add(lease.duration());
        self.state = State::Running(until);
        self.forget_at = until.saturating_add(self.retention.key());
        Held::Held
    }

    /// The run ends. [`Settlement::Release`] leaves a record that is to be removed.
    ///
    /// Who comes late may still settle what became uncertain, or lapsed, as long as nobody else took the key: it alone
    /// knows how it ended.
    pub fn settle(&mut self, token: Token, settlement: Settlement, now: Duration) -> Settled {
        if self.token == token && matches!(self.state, State::Done(..)) && now < self.forget_at {
            return Settled::Before;
        }
        if !self.is_open_to(token, now) {
            return Settled::Lost;
        }
        self.forget_at = now.saturating_add(self.retention.key());
        let until = now.saturating_add(self.retention.answer());
        self.state = match settlement {
            Settlement::Complete(kept) => State::Done(kept, until),
            Settlement::Doubt => State::Uncertain,
            Settlement::Release => {
                self.forget_at = now;
                State::Uncertain
            }
        };
        Settled::Now
    }

    fn is_open_to(&self, token: Token, now: Duration) -> bool {
        self.token == token && now < self.forget_at && !matches!(self.state, State::Done(..))
    }
}
