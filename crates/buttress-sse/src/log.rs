use std::{error::Error, time::Duration};

use bytes::Bytes;
use futures_core::Stream;

use crate::{Cursor, StreamKey};

/// Keeps the events of many streams, for readers that come back.
///
/// A stream has one producer, who holds it under a lease, and any number of readers. Every
/// operation is one atomic step, so that a store behind a network needs one round trip for it, and
/// no call tells a time of day: leases and ages are counted by the log's own clock.
/// An operation takes effect when it is called or while its future is polled, as the log likes;
/// a future that is dropped leaves it done or not done, never half.
///
/// The epoch of a stream is drawn by who claims it; its events have the offsets 1, 2, 3 and so on.
/// A log keeps the newest of them, bounded by count, bytes and age (SSE-58).
///
/// [`MemoryLog`](crate::MemoryLog) is the reference; the law that all logs obey is the module
/// `conformance`, behind the feature of that name.
pub trait EventLog: Send + Sync + 'static {
    /// Why the log could not be asked; the outcome of the operation is then not known.
    type Error: Error + Send + Sync + 'static;
    /// The answer to [`claim`](Self::claim).
    type Claim: Future<Output = Result<Claim, Self::Error>> + Send + 'static;
    /// The answer to what changes a stream.
    type Write: Future<Output = Result<Written, Self::Error>> + Send + 'static;
    /// The answer to [`read`](Self::read): `None` when no such stream is known, or no longer.
    type Read: Future<Output = Result<Option<Excerpt>, Self::Error>> + Send + 'static;
    /// What [`tail`](Self::tail) gives one after the other.
    type Tail: Stream<Item = Result<Excerpt, Self::Error>> + Send + 'static;

    /// Begins a stream in the state [`Starting`](StreamState::Starting), if none is known by this
    /// key: of all who claim it at once, exactly one wins (SSE-60).
    ///
    /// `start` is a fresh [`Cursor::random`]. A stream whose lease lapsed before it was
    /// [`open`](Self::open) counts as unknown. Each write of the winner renews the lease.
    fn claim(&self, key: &StreamKey, start: &Cursor, lease: Duration) -> Self::Claim;

    /// Makes a claimed stream [`Live`](StreamState::Live), or renews its lease. `at` is a position
    /// of the winner's; only its epoch matters.
    fn open(&self, key: &StreamKey, at: &Cursor) -> Self::Write;

    /// Adds the event that has the id `at`, opening the stream if need be.
    ///
    /// `at` is the position right after the last one. If there is an event at `at` already the
    /// call is the repetition of one whose answer got lost, and changes nothing.
    fn append(&self, key: &StreamKey, at: &Cursor, event: Bytes) -> Self::Write;

    /// Adds the last event, if there is one, as [`append`](Self::append) does, and finishes the
    /// stream. Also for who finds it [`Abandoned`](StreamState::Abandoned).
    ///
    /// Without an event, `at` is the position of the last one. It is refused when other events
    /// have come since.
    fn finish(&self, key: &StreamKey, at: &Cursor, event: Option<Bytes>) -> Self::Write;

    /// Forgets the stream with all its events, if it has the epoch of `at`. Its key is free again.
    fn forget(&self, key: &StreamKey, at: &Cursor) -> Self::Write;

    /// The events strictly after a position, at most `most` (at least one), oldest first; without
    /// a position, or when what comes after it is not all there, from the oldest that is kept
    /// (SSE-46, SSE-48).
    fn read(&self, key: &StreamKey, after: Option<&Cursor>, most: usize) -> Self::Read;

    /// Whatever is new to a reader that stands at `after` and has seen this state, for as long as it
    /// reads: one subscription, not one for each event.
    ///
    /// Each item begins where the one before it ended, and has events, at most `most` (at least one),
    /// or another state than was seen before. If what comes next is not all there any more, it is
    /// not covered, and begins with the oldest that is kept. The end of a lease is news like any
    /// other.
    ///
    /// It ends once the stream is gone, or finished and read to the end; after an error it may
    /// end as well. It holds no more than one item ahead of its reader. Dropping it leaves nothing
    /// behind.
    fn tail(&self, key: &StreamKey, after: &Cursor, seen: StreamState, most: usize) -> Self::Tail;
}

/// Who got a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further outcome is for every caller to decide on")]
pub enum Claim {
    /// Who asked: it alone may write.
    Won,
    /// Somebody else has it, or had it and it is not forgotten yet.
    Taken,
    /// Nobody: there is no room for another stream.
    Full,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further outcome is for every caller to decide on")]
pub enum Written {
    /// It is made, now or before.
    Done,
    /// It is not: the stream is unknown, of another epoch, finished, or at another position.
    Refused,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further state is for every caller to decide on")]
pub enum StreamState {
    /// Claimed; whether there will be events is not known yet.
    Starting,
    /// More events may come.
    Live,
    /// The lease of the producer has lapsed: no more events are to be hoped for.
    Abandoned,
    /// No event comes any more.
    Finished,
}

/// A part of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "logs of other crates make it")]
pub struct Excerpt {
    /// How far the stream has come.
    pub state: StreamState,
    /// The position right before the first of the events.
    pub from: Cursor,
    /// Whether that is the position that was asked for. If not, and one was asked for, events
    /// have been lost.
    pub covered: bool,
    /// The events in the order of their offsets, without gaps, as they go over the wire.
    pub events: Vec<Bytes>,
    /// The offset of the newest event of the stream, 0 before the first.
    pub last: u64,
}

impl Excerpt {
    /// Whether nothing is left to read, now or later.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.state == StreamState::Finished && self.from.offset() >= self.last
    }
}
