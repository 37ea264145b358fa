//! One stream of a log: its newest events, its readers, and the seam between the two.

use std::{
    mem,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;

use crate::{
    Cursor,
    cursor::Epoch,
    ring::{Ring, Slot},
    sync::{AtomicBool, Mutex, Ordering, lock},
    tenure::Tenure,
    waiters::Waiters,
};

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) epoch: Epoch,
    pub(crate) channel: Mutex<Channel>,
    /// Set once for all streams of a log: their readers are to leave.
    draining: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) ring: Ring,
    pub(crate) waiters: Waiters,
    /// The newest heartbeat, and how many there have been.
    beat: Bytes,
    beats: u64,
    pub(crate) finished: bool,
    /// None when a publisher owns the stream.
    pub(crate) tenure: Option<Tenure>,
}

/// Where a reader begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the oldest event held.
    Oldest,
    /// With the event at this offset, which is the next of a known cursor.
    At(u64),
    /// With the oldest event held, after what came before it has been declared lost.
    Lost,
    /// Not at all: everything has been read.
    Finished,
}

impl Stream {
    pub(crate) fn new(epoch: Epoch, ring: Ring, draining: Arc<AtomicBool>) -> Self {
        let (waiters, beat) = (Waiters::default(), Bytes::new());
        let channel = Channel { ring, waiters, beat, beats: 0, finished: false, tenure: None };
        Self { epoch, channel: Mutex::new(channel), draining }
    }

    pub(crate) fn cursor(&self, offset: u64) -> Cursor {
        Cursor::new(self.epoch.clone(), offset)
    }

    #[inline]
    pub(crate) fn append(&self, frame: Bytes) {
        self.announce(|channel| channel.ring.push(frame));
    }

    /// No event comes after this. Readers are told by [`wake`](Self::wake).
    pub(crate) fn close(&self, terminal: Option<Bytes>) {
        let mut channel = lock(&self.channel);
        channel.finished = true;
        if let Some(frame) = terminal {
            channel.ring.push(frame);
        }
    }

    /// To all who wait now or are busy; of two that come too quickly, only the second is seen.
    pub(crate) fn beat(&self, frame: Bytes) {
        let old = self.announce(|channel| {
            channel.beats += 1;
            mem::replace(&mut channel.beat, frame)
        });
        drop(old);
    }

    pub(crate) fn wake(&self) {
        self.announce(|_| ());
    }

    /// Changes the channel and wakes its readers, the latter without the lock.
    #[inline]
    pub(crate) fn announce<T>(&self, change: impl FnOnce(&mut Channel) -> T) -> T {
        let mut channel = lock(&self.channel);
        let changed = change(&mut channel);
        if let Some(woken) = channel.waiters.take() {
            drop(channel);
            woken.wake();
        }
        changed
    }

    /// Where a reader with this cursor begins: all of the gap, or the news that it is lost (SSE-48).
    pub(crate) fn start(&self, cursor: Option<&Cursor>) -> Start {
        let channel = lock(&self.channel);
        let last = channel.ring.last();
        if channel.finished && last == 0 {
            return Start::Finished;
        }
        let Some(cursor) = cursor else {
            return Start::Oldest;
        };
        if !cursor.is_of(&self.epoch) || cursor.offset() > last {
            return Start::Lost;
        }
        let next = cursor.offset() + 1;
        if next < channel.ring.first() {
            Start::Lost
        } else if channel.finished && next > last {
            Start::Finished
        } else {
            Start::At(next)
        }
    }

    #[cfg(test)]
    pub(crate) fn readers(&self) -> usize {
        lock(&self.channel).waiters.readers()
    }
}

/// A place in a stream. All it costs is an offset and a waker.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: Arc<Stream>,
    /// The offset to read next; not settled before the first read of who begins with the oldest.
    next: Option<u64>,
    beats: u64,
    slot: Option<u32>,
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Step {
    Event(Bytes),
    /// An event, and none after it.
    Last(Bytes),
    /// What came next was evicted; the next read begins with the oldest event held.
    Overtaken,
    Beat(Bytes),
    /// Nothing yet: the waker will be called.
    Wait,
    End,
    /// The log is being shut down.
    Drained,
}

impl Reader {
    pub(crate) fn new(stream: Arc<Stream>, next: Option<u64>) -> Self {
        let beats = lock(&stream.channel).beats;
        Self { stream, next, beats, slot: None }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.stream.draining.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn next(&mut self, cx: &mut Context<'_>) -> Step {
        let mut channel = lock(&self.stream.channel);
        // Under the lock: who drains sets the flag first and takes the wakers under it after.
        if self.stream.draining.load(Ordering::Acquire) {
            return Step::Drained;
        }
        let next = *self.next.get_or_insert(channel.ring.first());
        match channel.ring.at(next) {
            Slot::Held(frame) => {
                let last = channel.finished && next == channel.ring.last();
                self.next = Some(next + 1);
                if last { Step::Last(frame.clone()) } else { Step::Event(frame.clone()) }
            }
            Slot::Evicted => {
                self.next = None;
                Step::Overtaken
            }
            Slot::Ahead if channel.finished => Step::End,
            Slot::Ahead if channel.beats != self.beats => {
                self.beats = channel.beats;
                Step::Beat(channel.beat.clone())
            }
            Slot::Ahead => {
                let replaced = channel.waiters.wait(&mut self.slot, cx.waker());
                drop(channel);
                // A waker runs foreign code when it is dropped.
                drop(replaced);
                Step::Wait
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let waker: Option<Waker> = lock(&self.stream.channel).waiters.leave(slot);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Arc<Stream> {
        let epoch = Epoch::random().unwrap();
        Arc::new(Stream::new(epoch, Ring::new(2, 100), Arc::default()))
    }

    fn reader(stream: &Arc<Stream>) -> Reader {
        let mut reader = Reader::new(stream.clone(), None);
        assert!(matches!(next(&mut reader), Step::Wait));
        reader
    }

    fn next(reader: &mut Reader) -> Step {
        reader.next(&mut Context::from_waker(Waker::noop()))
    }

    // SSE-45
    #[test]
    fn a_dropped_reader_frees_its_slot() {
        let stream = stream();
        for _ in 0..3 {
            let readers = [reader(&stream), reader(&stream)];
            assert_eq!(stream.readers(), 2);
            drop(readers);
            assert_eq!(stream.readers(), 0);
        }
    }

    #[test]
    fn who_waits_before_the_first_event_is_owed_it() {
        let stream = stream();
        let mut reader = reader(&stream);
        (0..3).for_each(|_| stream.append(Bytes::from_static(b"x")));
        assert!(matches!(next(&mut reader), Step::Overtaken));
        assert!(matches!(next(&mut reader), Step::Event(_)));
    }

    // SSE-61
    #[test]
    fn the_last_event_is_known_as_the_last() {
        let stream = stream();
        let mut reader = reader(&stream);
        stream.append(Bytes::from_static(b"1"));
        stream.close(Some(Bytes::from_static(b"2")));
        assert!(matches!(next(&mut reader), Step::Event(_)));
        assert!(matches!(next(&mut reader), Step::Last(_)));
        assert!(matches!(next(&mut reader), Step::End));
    }

    #[test]
    fn a_panic_under_the_lock_does_not_spread() {
        let stream = stream();
        let mut reader = reader(&stream);
        let inner = stream.clone();
        let panicked = std::thread::spawn(move || inner.announce(|_| panic!("on purpose"))).join();
        assert!(panicked.is_err());
        stream.append(Bytes::from_static(b"1"));
        assert!(matches!(next(&mut reader), Step::Event(_)));
    }
}
