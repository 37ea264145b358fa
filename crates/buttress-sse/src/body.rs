use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    Event,
    heartbeat::{Heartbeat, Make, Silence, up_to},
    stream::{Reader, Step},
};

pin_project! {
    /// The events of one reader, as the body of its response.
    ///
    /// It begins with a `retry:` line that leaves at once (SSE-42), goes through what is to be
    /// replayed into what is live, and ends right after the last event. One frame is one event,
    /// a heartbeat or the like, so a stream that is cut between two frames is cut cleanly.
    ///
    /// It reads from the log only when it is polled: a slow reader holds nothing but its place.
    ///
    /// # Cancel safety
    ///
    /// Dropping it at any time gives its place back and touches neither the stream nor other
    /// readers. What it has not handed out is replayed to a reader that comes with the last
    /// cursor.
    #[must_use = "a body sends nothing unless it is polled"]
    pub struct EventBody {
        // None once everything has been handed out.
        reader: Option<Reader>,
        phase: Phase,
        retry: Duration,
        heartbeat: Heartbeat,
        reset: Option<Make>,
        #[pin]
        silence: Silence,
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Opening { lost: bool },
    Loss,
    Events,
}

/// What a reader is told, and how it may be told otherwise.
pub(crate) struct Manner {
    pub(crate) retry: Duration,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) reset: Option<Make>,
}

impl EventBody {
    pub(crate) fn new(reader: Reader, lost: bool, manner: Manner) -> Self {
        let Manner { retry, heartbeat, reset } = manner;
        let silence = Silence::new(&heartbeat);
        Self { reader: Some(reader), phase: Phase::Opening { lost }, retry, heartbeat, reset, silence }
    }
}

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.project();
        let Some(reader) = this.reader else {
            return Poll::Ready(None);
        };
        let step = match *this.phase {
            Phase::Opening { .. } if reader.is_draining() => Step::Drained,
            // Opening → (Loss | Events)
            Phase::Opening { lost } => {
                *this.phase = if lost { Phase::Loss } else { Phase::Events };
                Step::Event(Event::empty().retry(*this.retry).encode())
            }
            // Loss → Events
            Phase::Loss => {
                *this.phase = Phase::Events;
                Step::Overtaken
            }
            Phase::Events => reader.next(cx),
        };
        let bytes = match step {
            Step::Event(bytes) | Step::Beat(bytes) => bytes,
            Step::Overtaken => reset(this.reset.as_ref()),
            Step::Wait => return this.silence.poll(this.heartbeat, cx).map(|beat| Some(Ok(Frame::data(beat)))),
            Step::Last(bytes) => {
                *this.reader = None;
                bytes
            }
            Step::Drained => {
                *this.reader = None;
                parting(*this.retry)
            }
            Step::End => {
                *this.reader = None;
                return Poll::Ready(None);
            }
        };
        this.silence.end();
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.reader.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.reader.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

impl fmt::Debug for EventBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBody").field("phase", &self.phase).field("ended", &self.reader.is_none()).finish()
    }
}

/// The news that events were lost, which never carries an id: it is no place to resume from.
pub(crate) fn reset(make: Option<&Make>) -> Bytes {
    let event = make.map_or_else(|| Event::data(r#"{"type":"reset"}"#), |make| make());
    event.name(crate::RESET).encode_unnumbered()
}

/// The last words to a reader that is sent away: to wait up to twice as long, so that those who leave together do not
/// return together.
pub(crate) fn parting(retry: Duration) -> Bytes {
    Event::empty().retry(retry.saturating_add(up_to(retry))).encode()
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn an_idle_stream_costs_at_most_512_bytes() {
        let body = size_of::<EventBody>() + size_of::<Option<Waker>>();
        assert!(body <= 512, "{body}");
    }
}
