//! What several test files need: frames to compare, a body to poll by hand.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake},
    time::Duration,
};

use buttress_sse::{Cursor, Decoder, EventBody, Frame, MemoryLog, Publisher, Replay, Resume, Retention};
use bytes::Bytes;
use http_body::Body;
use tokio::task::coop::consume_budget;

/// A frame that owns what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Message { name: String, data: String, id: String },
    Retry(Duration),
    Comment,
}

pub(crate) fn message(data: &str, id: &str) -> Seen {
    named("message", data, id)
}

pub(crate) fn named(name: &str, data: &str, id: &str) -> Seen {
    Seen::Message { name: name.into(), data: data.into(), id: id.into() }
}

pub(crate) fn retry(millis: u64) -> Seen {
    Seen::Retry(Duration::from_millis(millis))
}

pub(crate) fn comment() -> Seen {
    Seen::Comment
}

/// The frames of a stream that comes in these chunks and then ends.
pub(crate) fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        let mut chunk = Bytes::copy_from_slice(chunk);
        while let Some(frame) = decoder.decode(&mut chunk).unwrap() {
            seen.push(match frame {
                Frame::Message(message) => named(message.name(), message.data(), message.id()),
                Frame::Retry(wait) => Seen::Retry(wait),
                Frame::Comment => Seen::Comment,
                other => panic!("{other:?}"),
            });
        }
    }
    seen
}

pub(crate) fn log() -> MemoryLog {
    MemoryLog::new(Retention::default()).unwrap()
}

pub(crate) fn create(log: &MemoryLog, key: &str) -> Publisher {
    log.create(key).unwrap()
}

pub(crate) fn play(log: &MemoryLog, key: &str, cursor: Option<&Cursor>) -> Replay {
    match log.resume_from(key, cursor) {
        Resume::Play(replay) => replay,
        other => panic!("nothing to play: {other:?}"),
    }
}

/// A body polled by hand, and how often its waker was called.
pub(crate) struct Polled {
    pub(crate) body: Pin<Box<EventBody>>,
    wakes: Arc<Wakes>,
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Wakes(pub(crate) AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What one poll gave.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Got {
    Text(String),
    Pending,
    End,
}

pub(crate) fn text(text: impl Into<String>) -> Got {
    Got::Text(text.into())
}

impl Polled {
    pub(crate) fn new(replay: Replay) -> Self {
        Self { body: Box::pin(replay.into_body()), wakes: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Got {
        let waker = self.wakes.clone().into();
        match self.body.as_mut().poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => Got::Pending,
            Poll::Ready(None) => Got::End,
            Poll::Ready(Some(Ok(frame))) => text(str::from_utf8(&frame.into_data().unwrap()).unwrap()),
        }
    }

    /// Everything that is ready, as one text, and whether the body has ended.
    pub(crate) fn drain(&mut self) -> (String, bool) {
        let mut all = String::new();
        loop {
            match self.poll() {
                Got::Text(text) => all += &text,
                Got::Pending => return (all, false),
                Got::End => return (all, true),
            }
        }
    }

    /// The data of all that is ready, without the opening line.
    pub(crate) fn data(&mut self) -> Vec<String> {
        let (all, _) = self.drain();
        let data = |seen| if let Seen::Message { data, .. } = seen { Some(data) } else { None };
        decode([all.as_bytes()]).into_iter().filter_map(data).collect()
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

/// Does this in a task that has done enough for now, as one that has passed on many events: whatever it waits for next
/// sends it away.
pub(crate) async fn with_no_budget<T>(mut act: impl FnMut() -> T) -> T {
    poll_fn(|cx| {
        while pin!(consume_budget()).poll(cx).is_ready() {}
        Poll::Ready(act())
    })
    .await
}
