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

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;

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
    // SSE-60
    async fn of_one_producer(&self) {
        let (key, claims) = (fresh_key(), 20);
        let starts: Vec<_> = (0..claims).map(|_| fresh_start()).collect();
        let mut rivals: Vec<_> =
            starts.iter().map(|start| Box::pin(self.log.claim(&key, start, self.terms.lease))).collect();
        let mut won = Vec::new();
        poll_fn(|cx| {
            rivals.retain_mut(|rival| {
                let Poll::Ready(claim) = rival.as_mut().poll(cx) else { return true };
                won.push(claim.expect("the log answers"));
                false
            });
            if rivals.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(won.iter().filter(|claim| **claim == Claim::Won).count(), 1, "exactly one claim wins");
        assert!(!won.contains(&Claim::Full), "a log with room is not full");
        let excerpt = self.read(&key, None).await;
        assert!(starts.contains(&excerpt.from), "a stream has the epoch of who claimed it");
        assert_eq!((excerpt.state, excerpt.last), (StreamState::Starting, 0), "a claimed stream is empty and starting");
    }

    // SSE-46
    async fn of_order(&self) {
        let (key, start) = self.claimed().await;
        assert_eq!(self.wrote(self.log.open(&key, &start)).await, Written::Done);
        assert_eq!(self.read(&key, None).await.state, StreamState::Live, "an opened stream is live");
        for offset in 1..=self.terms.events {
            self.append(&key, &start, offset).await;
        }
        for after in 0..=self.terms.events {
            let excerpt = self.read(&key, Some(&start.at(after))).await;
            assert!(excerpt.covered, "what is kept is covered");
            self.assert_events(&excerpt, &start.at(after), self.terms.events);
        }
        let two = self.read_most(&key, Some(&start), 2).await;
        assert_eq!(two.events, [event(1), event(2)], "no more than asked for, the oldest first");
        assert_eq!(two.last, self.terms.events, "the newest offset is told whatever the part");
        assert_eq!(self.read_most(&key, None, 0).await.events.len(), 1, "at least one");
    }

    // SSE-50
    async fn of_positions(&self) {
        let (key, start) = self.claimed().await;
        self.append(&key, &start, 1).await;
        assert_eq!(self.read(&key, None).await.state, StreamState::Live, "the first event opens a stream");
        self.append(&key, &start, 1).await;
        assert_eq!(self.read(&key, None).await.last, 1, "a repeated event is there once");
        let refused = [start.at(3), start.at(0), fresh_start().at(2)];
        for at in &refused {
            let written = self.wrote(self.log.append(&key, at, event(9))).await;
            assert_eq!(written, Written::Refused, "only the position after the last takes an event");
        }
        assert_eq!(self.wrote(self.log.open(&key, &fresh_start())).await, Written::Refused);
        let unknown = self.wrote(self.log.append(&fresh_key(), &start.at(2), event(2))).await;
        assert_eq!(unknown, Written::Refused, "an unknown stream takes no event");
        assert_eq!(self.read(&key, None).await.events, [event(1)], "what was refused is not there");
    }

    // SSE-47, SSE-48, SSE-58
    async fn of_loss(&self) {
        let (key, start) = self.claimed().await;
        let (kept, last) = (self.terms.events, self.terms.events + 3);
        for offset in 1..=last {
            self.append(&key, &start, offset).await;
        }
        let foreign = fresh_start();
        let mut lost: Vec<_> = (0..last - kept).map(|offset| start.at(offset)).collect();
        lost.extend([start.at(last + 1), start.at(u64::MAX), foreign.at(last), foreign]);
        for after in lost.iter().map(Some).chain([None]) {
            let excerpt = self.read(&key, after).await;
            assert!(!excerpt.covered, "a gap is told, whatever is kept of it");
            self.assert_events(&excerpt, &start.at(last - kept), last);
        }
        let excerpt = self.read(&key, Some(&start.at(last - kept))).await;
        assert!(excerpt.covered, "right after the last evicted event nothing is lost");
        self.assert_events(&excerpt, &start.at(last - kept), last);
    }

    // SSE-61
    async fn of_the_end(&self) {
        let (key, start) = self.claimed().await;
        self.append(&key, &start, 1).await;
        assert_eq!(self.wrote(self.log.finish(&key, &start.at(3), Some(event(3)))).await, Written::Refused);
        assert_eq!(self.wrote(self.log.finish(&key, &start, None)).await, Written::Refused, "an event came since");
        assert_eq!(self.wrote(self.log.finish(&key, &start.at(2), Some(event(2)))).await, Written::Done);
        for (at, what) in [(3, "no event comes after the last"), (2, "nor one that is late")] {
            assert_eq!(self.wrote(self.log.append(&key, &start.at(at), event(at))).await, Written::Refused, "{what}");
        }
        let rest = self.read(&key, Some(&start.at(1))).await;
        assert_eq!((rest.state, rest.events.clone(), rest.is_end()), (StreamState::Finished, vec![event(2)], false));
        assert!(self.read(&key, Some(&start.at(2))).await.is_end(), "read to the end");
        assert_eq!(self.claim(&key).await, Claim::Taken, "a finished stream keeps its key");
        let (key, start) = self.claimed().await;
        self.append(&key, &start, 1).await;
        assert_eq!(self.wrote(self.log.finish(&key, &start.at(1), None)).await, Written::Done);
        assert!(self.read(&key, Some(&start.at(1))).await.is_end(), "it may finish without an event");
    }

    async fn of_forgetting(&self) {
        for finished in [false, true] {
            let (key, start) = self.claimed().await;
            self.append(&key, &start, 1).await;
            if finished {
                self.wrote(self.log.finish(&key, &start.at(1), None)).await;
            }
            assert_eq!(self.wrote(self.log.forget(&key, &fresh_start())).await, Written::Refused);
            assert_eq!(self.wrote(self.log.forget(&key, &start)).await, Written::Done);
            assert!(self.find(&key, None).await.is_none(), "what is forgotten is unknown");
            assert_eq!(self.wrote(self.log.append(&key, &start.at(2), event(2))).await, Written::Refused);
            assert_eq!(self.wrote(self.log.forget(&key, &start)).await, Written::Refused);
            assert_eq!(self.claim(&key).await, Claim::Won, "its key is free");
            let excerpt = self.read(&key, Some(&start.at(1))).await;
            assert!(!excerpt.covered && excerpt.events.is_empty(), "a later stream has nothing of it");
        }
    }

    // SSE-49
    async fn of_separate_streams(&self) {
        let name = Cursor::random().expect("randomness").epoch().to_owned();
        let keys = [("a", "b"), ("b", "a"), ("ab", ""), ("", "ab")];
        let mut keys: Vec<_> = keys.iter().map(|(a, b)| StreamKey::scoped(&format!("{name}{a}"), b)).collect();
        keys.push(StreamKey::unscoped(&name));
        let mut starts = Vec::new();
        for key in &keys {
            let start = fresh_start();
            let claim = self.log.claim(key, &start, self.terms.lease).await.expect("the log answers");
            assert_eq!(claim, Claim::Won, "another key is another stream");
            starts.push(start);
        }
        self.append(&keys[0], &starts[0], 1).await;
        for (key, start) in keys.iter().zip(&starts).skip(1) {
            assert!(self.read(key, None).await.events.is_empty(), "nothing of another stream");
            assert!(!self.read(key, Some(&starts[0])).await.covered, "no position of another stream");
            assert!(self.read(key, Some(start)).await.covered);
        }
    }

    async fn of_news(&self) {
        let (key, start) = self.claimed().await;
        let mut wait = pin!(self.log.wait(&key, &start, StreamState::Starting));
        assert!(is_pending(wait.as_mut()).await, "nothing is new");
        self.wrote(self.log.open(&key, &start)).await;
        wait.await.expect("the log answers");
        let mut wait = pin!(self.log.wait(&key, &start, StreamState::Live));
        let left = Box::pin(self.log.wait(&key, &start, StreamState::Live));
        assert!(is_pending(wait.as_mut()).await, "nothing is new");
        drop(left);
        self.append(&key, &start, 1).await;
        wait.await.expect("the log answers");
        let stale = [
            (start.clone(), StreamState::Live),
            (start.at(1), StreamState::Starting),
            (fresh_start(), StreamState::Live),
        ];
        for (after, seen) in stale {
            self.log.wait(&key, &after, seen).await.expect("what is new already is not waited for");
        }
        let mut wait = pin!(self.log.wait(&key, &start.at(1), StreamState::Live));
        assert!(is_pending(wait.as_mut()).await, "nothing is new");
        self.wrote(self.log.finish(&key, &start.at(1), None)).await;
        wait.await.expect("the log answers");
        let (key, start) = self.claimed().await;
        let mut wait = pin!(self.log.wait(&key, &start, StreamState::Starting));
        assert!(is_pending(wait.as_mut()).await, "nothing is new");
        self.wrote(self.log.forget(&key, &start)).await;
        wait.await.expect("the log answers");
        self.log.wait(&key, &start, StreamState::Starting).await.expect("nobody waits for what is unknown");
    }

    async fn of_leases(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let (stillborn, _) = self.claimed().await;
        let (key, start) = self.claimed().await;
        for _ in 0..3 {
            advance(self.terms.lease / 2).await;
            self.wrote(self.log.open(&key, &start)).await;
        }
        assert_eq!(self.read(&key, Some(&start)).await.state, StreamState::Live, "a renewed lease does not lapse");
        self.append(&key, &start, 1).await;
        let mut wait = pin!(self.log.wait(&key, &start.at(1), StreamState::Live));
        assert!(is_pending(wait.as_mut()).await, "nothing is new");
        advance(self.terms.lease * 5 / 4).await;
        wait.await.expect("who waits is told of a lapse");
        assert_eq!(self.read(&key, None).await.state, StreamState::Abandoned, "the lease has lapsed");
        assert_eq!(self.claim(&key).await, Claim::Taken, "what has events is kept for its readers");
        let (one, other) = (event(2), Bytes::from_static(b"other"));
        assert_eq!(self.wrote(self.log.finish(&key, &start.at(2), Some(one))).await, Written::Done);
        assert_eq!(self.wrote(self.log.finish(&key, &start.at(2), Some(other))).await, Written::Refused);
        assert_eq!(self.read(&key, Some(&start.at(1))).await.events, [event(2)], "the first finish counts");
        assert!(self.find(&stillborn, None).await.is_none(), "what was never opened is unknown once its lease lapsed");
        assert_eq!(self.claim(&stillborn).await, Claim::Won);
    }

    // SSE-58
    async fn of_age(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let (key, start) = self.claimed().await;
        self.wrote(self.log.finish(&key, &start.at(1), Some(event(1)))).await;
        advance(self.terms.age / 2).await;
        assert!(self.read(&key, Some(&start.at(1))).await.is_end(), "a finished stream is kept for its age");
        advance(self.terms.age).await;
        assert!(self.find(&key, None).await.is_none(), "and then forgotten");
        assert_eq!(self.claim(&key).await, Claim::Won);
    }

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

async fn is_pending<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}
