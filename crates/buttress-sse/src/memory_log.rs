//! The memory as a log like any other.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    Claim, Cursor, EventLog, Excerpt, MemoryLog, StreamKey, StreamState, Written,
    registry::Refused,
    retention::Checked,
    ring::Ring,
    stream::Stream,
    sync::lock,
    tenure::{Change, LOST, News},
};

/// Everything takes effect when it is called; nothing fails.
///
/// Streams that a [`Publisher`](crate::Publisher) owns can be read through it as well, if they were created under the
/// text of a key, [`StreamKey::as_str`]. Those that were claimed are to be read through it alone: readers of
/// [`resume_from`](MemoryLog::resume_from) do not hear that a stream is abandoned or forgotten.
impl EventLog for MemoryLog {
    type Error = Infallible;
    type Claim = Ready<Result<Claim, Infallible>>;
    type Write = Ready<Result<Written, Infallible>>;
    type Read = Ready<Result<Option<Excerpt>, Infallible>>;
    type Tail = MemoryTail;

    fn claim(&self, key: &StreamKey, start: &Cursor, lease: Duration) -> Self::Claim {
        ready(Ok(self.claim_at(key, start, lease, Instant::now())))
    }

    fn open(&self, key: &StreamKey, at: &Cursor) -> Self::Write {
        ready(Ok(self.change(key, at, Change::Open)))
    }

    fn append(&self, key: &StreamKey, at: &Cursor, event: Bytes) -> Self::Write {
        ready(Ok(self.change(key, at, Change::Append(event))))
    }

    fn finish(&self, key: &StreamKey, at: &Cursor, event: Option<Bytes>) -> Self::Write {
        ready(Ok(self.change(key, at, Change::Finish(event))))
    }

    fn forget(&self, key: &StreamKey, at: &Cursor) -> Self::Write {
        let mut registry = lock(&self.0.registry);
        let found = registry.find(key.as_str()).filter(|stream| at.is_of(&stream.epoch));
        let finished = found.map(|stream| stream.state(Instant::now()) == StreamState::Finished);
        let removed = finished.and_then(|finished| registry.remove(key.as_str(), finished));
        drop(registry);
        let written = if removed.is_some() { Written::Done } else { Written::Refused };
        removed.iter().for_each(|stream| stream.forsake());
        ready(Ok(written))
    }

    fn read(&self, key: &StreamKey, after: Option<&Cursor>, most: usize) -> Self::Read {
        let now = Instant::now();
        let found = self.find(key, now);
        ready(Ok(found.map(|stream| stream.excerpt(after, most, now))))
    }

    fn tail(&self, key: &StreamKey, after: &Cursor, seen: StreamState, most: usize) -> MemoryTail {
        let found = self.find(key, Instant::now());
        let place = found.map(|stream| {
            // A position of another stream is as lost as one that was evicted.
            let at = if after.is_of(&stream.epoch) { after.offset() } else { LOST };
            Place { stream, at, seen, slot: None }
        });
        MemoryTail { place, most, lapse: None }
    }
}

impl MemoryLog {
    fn find(&self, key: &StreamKey, now: Instant) -> Option<Arc<Stream>> {
        let mut registry = lock(&self.0.registry);
        let expired = registry.expire(now);
        let found = registry.find(key.as_str()).cloned();
        drop(registry);
        drop(expired);
        found.filter(|stream| !stream.is_stillborn(now))
    }

    fn claim_at(&self, key: &StreamKey, start: &Cursor, lease: Duration, now: Instant) -> Claim {
        let Checked { events, bytes, .. } = self.0.retention;
        let ring = Ring::new(events, bytes);
        let stream = Arc::new(Stream::claimed(start, ring, self.0.draining.clone(), lease, now));
        let mut registry = lock(&self.0.registry);
        let mut forgotten = registry.expire(now);
        if registry.find(key.as_str()).is_some_and(|known| known.is_stillborn(now)) {
            forgotten.extend(registry.remove(key.as_str(), false));
        }
        let mut inserted = registry.insert(key.to_shared(), stream.clone());
        if matches!(inserted, Err(Refused::AllLive))
            && let Some(abandoned) = registry.remove_one(|stream| stream.is_abandoned(now))
        {
            forgotten.push(abandoned);
            inserted = registry.insert(key.to_shared(), stream);
        }
        drop(registry);
        forgotten.iter().for_each(|stream| stream.forsake());
        match inserted {
            Ok(_forgotten) => Claim::Won,
            Err(Refused::Exists) => Claim::Taken,
            Err(Refused::AllLive) => Claim::Full,
        }
    }

    fn change(&self, key: &StreamKey, at: &Cursor, change: Change) -> Written {
        let now = Instant::now();
        let Some(stream) = lock(&self.0.registry).find(key.as_str()).cloned() else {
            return Written::Refused;
        };
        let (written, finished) = stream.change(at, change, now);
        if finished {
            self.0.retire(key.to_shared(), &stream);
            stream.wake();
        }
        written
    }
}

pin_project! {
    /// What is new in a stream of a [`MemoryLog`], for one reader.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives its place among those who wait back.
    #[derive(Debug)]
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct MemoryTail {
        // None when no such stream is known, or no longer.
        place: Option<Place>,
        most: usize,
        // Made at the first wait, and moved only when it fires: each event renews the lease.
        #[pin]
        lapse: Option<Sleep>,
    }
}

/// Where a reader stands, and its slot among those who wait.
#[derive(Debug)]
struct Place {
    stream: Arc<Stream>,
    at: u64,
    seen: StreamState,
    slot: Option<u32>,
}

impl futures_core::Stream for MemoryTail {
    type Item = Result<Excerpt, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(place) = this.place.as_mut() else {
            return Poll::Ready(None);
        };
        loop {
            let Place { stream, at, seen, slot } = &mut *place;
            let lapses = match stream.news((*at, *seen), *this.most, slot, cx.waker(), Instant::now()) {
                News::Some(excerpt) => {
                    (*at, *seen) = (excerpt.from.offset() + excerpt.events.len() as u64, excerpt.state);
                    return Poll::Ready(Some(Ok(excerpt)));
                }
                News::Gone => {
                    *this.place = None;
                    return Poll::Ready(None);
                }
                News::None(lapses) => lapses,
            };
            // An abandoned stream has nothing left to lapse.
            let Some(lapses) = lapses.filter(|_| *seen != StreamState::Abandoned) else {
                return Poll::Pending;
            };
            if this.lapse.is_none() {
                this.lapse.set(Some(sleep_until(lapses)));
            }
            let Some(mut lapse) = this.lapse.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            ready!(lapse.as_mut().poll(cx));
            lapse.reset(lapses);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.stream.leave(slot);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{pin::pin, task::Waker};

    use futures_core::Stream as _;

    use super::*;
    use crate::Retention;

    #[test]
    fn a_tail_that_is_dropped_gives_its_slot_back() {
        let log = MemoryLog::new(Retention::default()).unwrap();
        let (key, start) = (StreamKey::unscoped("a"), Cursor::random().unwrap());
        let _claimed = log.claim(&key, &start, Duration::MAX);
        let stream = log.find(&key, Instant::now()).unwrap();
        for _ in 0..3 {
            let mut tail = pin!(log.tail(&key, &start, StreamState::Starting, 1));
            assert!(tail.as_mut().poll_next(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(stream.readers(), 1);
        }
        assert_eq!(stream.readers(), 0);
    }
}
