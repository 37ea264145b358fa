//! What is told when, and what passes with time.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Claim, Cursor, EventLog, StreamKey, StreamState, Written,
    conformance::{Law, MOST, event, fresh_start},
};

impl<L: EventLog> Law<'_, L> {
    // SSE-46
    pub(super) async fn of_news(&self) {
        let (key, start) = self.claimed().await;
        let mut tail = self.tail(&key, &start, StreamState::Starting);
        assert!(tail.is_silent().await, "nothing is new");
        self.wrote(self.log.open(&key, &start)).await;
        assert_eq!(tail.news().await.state, StreamState::Live, "another state is news");
        let left = self.tail(&key, &start, StreamState::Live);
        assert!(tail.is_silent().await, "news is told once");
        drop(left);
        for offset in 1..=3 {
            self.append(&key, &start, offset).await;
        }
        let (mut from, mut told) = (start.clone(), 0);
        while told < 3 {
            let part = tail.news().await;
            assert!(part.covered && part.from == from && part.events.len() <= MOST, "part after part, without a gap");
            let expected: Vec<_> = (told + 1..=told + part.events.len() as u64).map(event).collect();
            assert_eq!((&part.events, part.last), (&expected, 3), "each event once, in order");
            told += part.events.len() as u64;
            from = start.at(told);
        }
        assert!(tail.is_silent().await, "each event is told once");
        let known = self.tail(&key, &start.at(2), StreamState::Live).news().await;
        self.assert_events(&known, &start.at(2), 3);
        let state = self.tail(&key, &start.at(3), StreamState::Starting).news().await;
        assert!(state.covered && state.events.is_empty() && state.from == start.at(3), "a state that has passed");
        self.wrote(self.log.finish(&key, &start.at(4), Some(event(4)))).await;
        let last = tail.news().await;
        assert_eq!((last.state, last.events.clone()), (StreamState::Finished, vec![event(4)]));
        assert!(tail.is_over().await, "finished and read to the end");
        assert!(self.tail(&key, &start.at(4), StreamState::Finished).is_over().await, "nothing comes any more");
        self.of_lost_tails(&key, &start).await;
    }

    // SSE-47, SSE-48
    async fn of_lost_tails(&self, finished: &StreamKey, start: &Cursor) {
        for lost in [start.at(5), start.at(u64::MAX), fresh_start()] {
            let news = self.tail(finished, &lost, StreamState::Live).news().await;
            assert!(!news.covered && news.from.epoch() == start.epoch(), "a gap is told");
        }
        let (key, start) = self.claimed().await;
        self.append(&key, &start, 1).await;
        let mut tail = self.tail(&key, &start, StreamState::Live);
        let (kept, last) = (self.terms.events, self.terms.events + 2);
        for offset in 2..=last {
            self.append(&key, &start, offset).await;
        }
        // It may have read one item ahead.
        let mut news = tail.news().await;
        while news.covered {
            news = tail.news().await;
        }
        assert_eq!((news.from.clone(), news.last), (start.at(last - kept), last), "who is overtaken begins anew");
        let mut tail = self.tail(&key, &start.at(last), StreamState::Live);
        assert!(tail.is_silent().await, "nothing is new");
        self.wrote(self.log.forget(&key, &start)).await;
        assert!(tail.is_over().await, "the stream is gone");
        assert!(self.tail(&key, &start, StreamState::Starting).is_over().await, "nobody waits for what is unknown");
    }

    pub(super) async fn of_leases(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let (stillborn, _) = self.claimed().await;
        let (key, start) = self.claimed().await;
        for _ in 0..3 {
            advance(self.terms.lease / 2).await;
            self.wrote(self.log.open(&key, &start)).await;
        }
        assert_eq!(self.read(&key, Some(&start)).await.state, StreamState::Live, "a renewed lease does not lapse");
        self.append(&key, &start, 1).await;
        let mut tail = self.tail(&key, &start.at(1), StreamState::Live);
        assert!(tail.is_silent().await, "nothing is new");
        advance(self.terms.lease * 5 / 4).await;
        assert_eq!(tail.news().await.state, StreamState::Abandoned, "who waits is told of a lapse");
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
    pub(super) async fn of_age(&self, advance: &mut impl AsyncFnMut(Duration)) {
        let (key, start) = self.claimed().await;
        self.wrote(self.log.finish(&key, &start.at(1), Some(event(1)))).await;
        advance(self.terms.age / 2).await;
        assert!(self.read(&key, Some(&start.at(1))).await.is_end(), "a finished stream is kept for its age");
        advance(self.terms.age).await;
        assert!(self.find(&key, None).await.is_none(), "and then forgotten");
        assert_eq!(self.claim(&key).await, Claim::Won);
    }
}
