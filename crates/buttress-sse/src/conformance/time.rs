//! What is told when, and what passes with time.

use std::{pin::pin, time::Duration};

use bytes::Bytes;

use crate::{
    Claim, EventLog, StreamState, Written,
    conformance::{Law, event, fresh_start, is_pending},
};

impl<L: EventLog> Law<'_, L> {
    pub(super) async fn of_news(&self) {
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

    pub(super) async fn of_leases(&self, advance: &mut impl AsyncFnMut(Duration)) {
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
