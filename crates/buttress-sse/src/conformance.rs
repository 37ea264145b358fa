//! The law of event logs as code: what [`EventLog`] says in words, each sentence run against a log.
//!
//! Every log, of this crate or of any other, proves itself by one test:
//!
//! ```
//! use std::time::Duration;
//!
//! use buttress_sse::{MemoryLog, Retention, conformance::Terms};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let terms = Terms { events: 4, age: Duration::from_secs(60), lease: Duration::from_secs(5) };
//! let log = MemoryLog::new(Retention::default().events(4).age(Duration::from_secs(60)))?;
//! buttress_sse::conformance::check(&log, terms, async |time| tokio::time::advance(time).await).await;
//! # Ok(())
//! # }
//! ```

mod events;
mod streams;
mod time;

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use futures_core::Stream;

use crate::{Claim, Cursor, EventLog, Excerpt, StreamKey, StreamState, Written};

/// How the log under test is set up.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "each test names all of them")]
pub struct Terms {
    /// The most events of one stream that it keeps, at least 2; its bound of bytes holds as many
    /// small ones.
    pub events: u64,
    /// How long it keeps finished streams.
    pub age: Duration,
    /// The lease that the streams of this test are claimed for, shorter than the age.
    pub lease: Duration,
}

/// Runs the whole law against `log`, which may hold other streams too.
///
/// `advance` lets that much time pass as the log sees it: with a paused clock at once, with a log
/// of real time by sleeping, and then with short terms.
///
/// # Panics
///
/// When the law is broken, or the log fails.
pub async fn check<L: EventLog>(log: &L, terms: Terms, mut advance: impl AsyncFnMut(Duration)) {
    let law = Law { log, terms };
    law.of_one_producer().await;
    law.of_order().await;
    law.of_positions().await;
    law.of_loss().await;
    law.of_the_end().await;
    law.of_forgetting().await;
    law.of_separate_streams().await;
    law.of_news().await;
    law.of_leases(&mut advance).await;
    law.of_age(&mut advance).await;
}

struct Law<'a, L> {
    log: &'a L,
    terms: Terms,
}

impl<L: EventLog> Law<'_, L> {
    async fn claimed(&self) -> (StreamKey, Cursor) {
        let (key, start) = (fresh_key(), fresh_start());
        let claim = self.log.claim(&key, &start, self.terms.lease).await.expect("the log answers");
        assert_eq!(claim, Claim::Won, "a free key is won");
        (key, start)
    }

    async fn claim(&self, key: &StreamKey) -> Claim {
        self.log.claim(key, &fresh_start(), self.terms.lease).await.expect("the log answers")
    }

    async fn append(&self, key: &StreamKey, start: &Cursor, offset: u64) {
        let written = self.wrote(self.log.append(key, &start.at(offset), event(offset))).await;
        assert_eq!(written, Written::Done, "the producer adds the next event");
    }

    async fn wrote(&self, write: L::Write) -> Written {
        write.await.expect("the log answers")
    }

    async fn find(&self, key: &StreamKey, after: Option<&Cursor>) -> Option<Excerpt> {
        self.log.read(key, after, usize::MAX).await.expect("the log answers")
    }

    async fn read(&self, key: &StreamKey, after: Option<&Cursor>) -> Excerpt {
        self.find(key, after).await.expect("the stream is known")
    }

    async fn read_most(&self, key: &StreamKey, after: Option<&Cursor>, most: usize) -> Excerpt {
        self.log.read(key, after, most).await.expect("the log answers").expect("the stream is known")
    }

    fn tail(&self, key: &StreamKey, after: &Cursor, seen: StreamState) -> Tail<L> {
        Tail(Box::pin(self.log.tail(key, after, seen, MOST)))
    }

    fn assert_events(&self, excerpt: &Excerpt, from: &Cursor, last: u64) {
        let expected: Vec<_> = (from.offset() + 1..=last).map(event).collect();
        assert_eq!((&excerpt.from, excerpt.last), (from, last), "the part that is kept");
        assert_eq!(excerpt.events, expected, "each event once, in order");
    }
}

fn fresh_start() -> Cursor {
    Cursor::random().expect("randomness")
}

fn fresh_key() -> StreamKey {
    StreamKey::scoped("conformance", fresh_start().epoch())
}

fn event(offset: u64) -> Bytes {
    format!("data: {offset}\n\n").into()
}

/// The most events in one item of a tail of this law.
const MOST: usize = 2;

/// One reader's subscription.
struct Tail<L: EventLog>(Pin<Box<L::Tail>>);

impl<L: EventLog> Tail<L> {
    /// Whether there is nothing now.
    async fn is_silent(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.0.as_mut().poll_next(cx).is_pending())).await
    }

    async fn next(&mut self) -> Option<Excerpt> {
        let item = poll_fn(|cx| self.0.as_mut().poll_next(cx)).await;
        item.map(|item| item.expect("the log answers"))
    }

    async fn news(&mut self) -> Excerpt {
        self.next().await.expect("the stream goes on")
    }

    async fn is_over(&mut self) -> bool {
        self.next().await.is_none()
    }
}
