//! The memory as a log like any other.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
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
    tenure::{Change, News},
};

/// Everything takes effect when it is called; nothing fails.
///
/// Streams that a [`Publisher`](crate::Publisher) owns can be read through it as well.
impl EventLog for MemoryLog {
    type Error = Infallible;
    type Claim = Ready<Result<Claim, Infallible>>;
    type Write = Ready<Result<Written, Infallible>>;
    type Read = Ready<Result<Option<Excerpt>, Infallible>>;
    type Wait = MemoryWait;

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

    fn wait(&self, key: &StreamKey, after: &Cursor, seen: StreamState) -> MemoryWait {
        let place = self.find(key, Instant::now()).map(|stream| Place { state: seen, stream, slot: None });
        MemoryWait { place, after: after.clone(), lapse: None }
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
    /// Waits for news of a stream in a [`MemoryLog`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives its place among those who wait back.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct MemoryWait {
        // None when the stream is unknown.
        place: Option<Place>,
        after: Cursor,
        #[pin]
        lapse: Option<Sleep>,
    }
}

#[derive(Debug)]
struct Place {
    stream: Arc<Stream>,
    state: StreamState,
    slot: Option<usize>,
}

impl Future for MemoryWait {
    type Output = Result<(), Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(Place { stream, state, slot }) = this.place.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        loop {
            let seen = (&*this.after, *state);
            let News::None(lapses) = stream.news(seen, slot, cx.waker(), Instant::now()) else {
                return Poll::Ready(Ok(()));
            };
            // An abandoned stream has nothing left to lapse.
            let Some(lapses) = lapses.filter(|_| *state != StreamState::Abandoned) else {
                return Poll::Pending;
            };
            match this.lapse.as_mut().as_pin_mut() {
                Some(lapse) if lapse.deadline() == lapses => {}
                Some(lapse) => lapse.reset(lapses),
                None => this.lapse.set(Some(sleep_until(lapses))),
            }
            let Some(lapse) = this.lapse.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            if lapse.poll(cx).is_pending() {
                return Poll::Pending;
            }
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
