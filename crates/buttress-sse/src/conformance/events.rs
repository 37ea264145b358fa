//! What becomes of events.

use crate::{
    Claim, EventLog, StreamState, Written,
    conformance::{Law, event, fresh_key, fresh_start},
};

impl<L: EventLog> Law<'_, L> {
    // SSE-46
    pub(super) async fn of_order(&self) {
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
    pub(super) async fn of_positions(&self) {
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
    pub(super) async fn of_loss(&self) {
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
    pub(super) async fn of_the_end(&self) {
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
}
