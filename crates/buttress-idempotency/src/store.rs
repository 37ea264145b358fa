use std::{error::Error, time::Duration};

use bytes::Bytes;

use crate::{Effect, Fingerprint, Kept, Lease, Record, RecordKey, Retention, Token};

/// Keeps what is known of each key.
///
/// Every operation is one atomic step by the store's own clock, so that a store behind a network needs one round trip for
/// it. It takes effect when it is called or while its future is polled, as the store likes; a future that is dropped leaves
/// it done or not done, never half. The transitions are those of [`Record`].
///
/// A store that panics, where it is called or where its future is polled, counts as one that fails; that future is not
/// polled again. What it may have claimed lapses with its lease.
///
/// Futures are `Unpin`: who has none with a name boxes it, `Pin<Box<dyn Future<…> + Send>>`.
///
/// [`MemoryStore`](crate::MemoryStore) is the reference; the law that all stores obey is the module `conformance`, behind
/// the feature of that name (IDM-25).
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Why the store could not be asked; the outcome of the operation is then not known.
    type Error: Error + Send + Sync + 'static;
    /// The answer to [`claim`](Self::claim).
    type Claim: Future<Output = Result<Claim, Self::Error>> + Send + Unpin + 'static;
    /// The answer to [`renew`](Self::renew).
    type Renew: Future<Output = Result<Held, Self::Error>> + Send + Unpin + 'static;
    /// The answer to [`settle`](Self::settle).
    type Settle: Future<Output = Result<Settled, Self::Error>> + Send + Unpin + 'static;
    /// The answer to [`wait`](Self::wait).
    type Wait: Future<Output = Result<(), Self::Error>> + Send + Unpin + 'static;
    /// The answer to [`look`](Self::look).
    type Look: Future<Output = Result<Option<Record>, Self::Error>> + Send + Unpin + 'static;
    /// The answer to [`purge`](Self::purge).
    type Purge: Future<Output = Result<bool, Self::Error>> + Send + Unpin + 'static;

    /// A request asks for a key: of all who ask at once, exactly one wins (IDM-7). See [`Record::claim`].
    fn claim(&self, key: &RecordKey, bid: &Bid) -> Self::Claim;

    /// The run that holds this token lives: its lease begins anew. See [`Record::renew`].
    fn renew(&self, key: &RecordKey, token: Token, lease: Lease) -> Self::Renew;

    /// The run that holds this token ends. See [`Record::settle`].
    ///
    /// It may be called again: the first word counts, so that a handler can settle in a transaction of its own and the
    /// layer finds it done (IDM-26).
    fn settle(&self, key: &RecordKey, token: Token, settlement: Settlement) -> Self::Settle;

    /// Resolves as soon as the run of this token no longer holds the key. Lapsing of its lease need not resolve it.
    ///
    /// It may also resolve for no reason. Dropping it leaves nothing behind.
    fn wait(&self, key: &RecordKey, token: Token) -> Self::Wait;

    /// What is known of a key, `None` when it is free.
    ///
    /// With the token of an uncertain record, an operator who knows what became of it can [`settle`](Self::settle) it.
    fn look(&self, key: &RecordKey) -> Self::Look;

    /// Forgets a key, whatever its state: it is free again. Tells whether there was anything to forget.
    fn purge(&self, key: &RecordKey) -> Self::Purge;
}

/// What a request brings to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "tests of stores make it")]
pub struct Bid {
    /// Of the request.
    pub fingerprint: Fingerprint,
    /// Whether its run would have an effect outside.
    pub effect: Effect,
    /// How long its run counts as alive without a word.
    pub lease: Lease,
    /// How long its record would be kept.
    pub retention: Retention,
}

/// What a request gets of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further outcome is for every caller to decide on")]
pub enum Claim {
    /// It is its own: the request runs.
    Won(Token),
    /// The same request runs already.
    Running {
        /// Of that run.
        token: Token,
        /// How long its lease lasts still.
        left: Duration,
    },
    /// The same request has run: this is its answer, as it was given to the store.
    Replay(Bytes),
    /// The same request has run, and its answer was not kept.
    NotReplayable,
    /// The same request has run, and its answer is kept no longer.
    Expired,
    /// The same request may have run: nobody knows.
    Uncertain,
    /// Another request has, or had, this key.
    Mismatch,
    /// There is no room for another record.
    Full,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further end is for every store to decide on")]
pub enum Settlement {
    /// It is done.
    Complete(Kept),
    /// It took no effect: the key is free again.
    Release,
    /// It is not known whether it took effect.
    Doubt,
}

/// Whether a run still holds its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it does or it does not")]
pub enum Held {
    /// It does.
    Held,
    /// It does not: somebody else has it, or it was forgotten.
    Lost,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further outcome is for every caller to decide on")]
pub enum Settled {
    /// It counts.
    Now,
    /// The same run was completed before: that counts.
    Before,
    /// It does not count: somebody else has the key, or it was forgotten (IDM-9).
    Lost,
}

/// A store that is shared.
impl<T: IdempotencyStore> IdempotencyStore for std::sync::Arc<T> {
    type Error = T::Error;
    type Claim = T::Claim;
    type Renew = T::Renew;
    type Settle = T::Settle;
    type Wait = T::Wait;
    type Look = T::Look;
    type Purge = T::Purge;

    fn claim(&self, key: &RecordKey, bid: &Bid) -> T::Claim {
        (**self).claim(key, bid)
    }

    fn renew(&self, key: &RecordKey, token: Token, lease: Lease) -> T::Renew {
        (**self).renew(key, token, lease)
    }

    fn settle(&self, key: &RecordKey, token: Token, settlement: Settlement) -> T::Settle {
        (**self).settle(key, token, settlement)
    }

    fn wait(&self, key: &RecordKey, token: Token) -> T::Wait {
        (**self).wait(key, token)
    }

    fn look(&self, key: &RecordKey) -> T::Look {
        (**self).look(key)
    }

    fn purge(&self, key: &RecordKey) -> T::Purge {
        (**self).purge(key)
    }
}
