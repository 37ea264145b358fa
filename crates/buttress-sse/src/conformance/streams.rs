//! Who has which stream.

use std::{future::poll_fn, task::Poll};

use crate::{
    Claim, Cursor, EventLog, StreamKey, StreamState, Written,
    conformance::{Law, event, fresh_key, fresh_start},
};

impl<L: EventLog> Law<'_, L> {
    // SSE-60
    pub(super) async fn of_one_producer(&self) {
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

    pub(super) async fn of_forgetting(&self) {
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
    pub(super) async fn of_separate_streams(&self) {
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
}
