use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use pin_project_lite::pin_project;

use crate::{
    Event, EventLog,
    body::{parting, reset},
    drain::Place,
    encode::Block,
    heartbeat::Silence,
    resume::{
        audience::Seat,
        follow::{Follow, Step},
        settings::{Settings, Shared},
    },
};

pin_project! {
    /// What one reader is sent, from the first byte to the last.
    pub(crate) struct Reader<L: EventLog> {
        #[pin]
        follow: Follow<L>,
        phase: Phase,
        settings: Arc<Settings>,
        shared: Arc<Shared<L>>,
        seat: Option<Seat>,
        #[pin]
        silence: Silence,
        place: Place,
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The bytes that leave at once (SSE-42).
    Opening(Arrival),
    Loss,
    Events,
    Over,
}

/// What a reader knows when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Nothing.
    Fresh,
    /// Where it was, and all that came after is there.
    Resumed,
    /// Where it was, and that is not here.
    Lost,
}

impl<L: EventLog> Reader<L> {
    pub(crate) fn new(
        follow: Follow<L>,
        arrival: Arrival,
        settings: Arc<Settings>,
        shared: Arc<Shared<L>>,
        seat: Option<Seat>,
    ) -> Self {
        let silence = Silence::new(&settings.heartbeat);
        let place = Place::new(shared.drain.clone());
        Self { follow, phase: Phase::Opening(arrival), settings, shared, seat, silence, place }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    pub(crate) fn poll_bytes(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.as_mut().project();
        let bytes = match *this.phase {
            Phase::Over => return Poll::Ready(None),
            Phase::Opening(_) if this.place.is_draining() => self.as_mut().farewell(),
            // Opening → (Loss | Events)
            Phase::Opening(arrival) => {
                *this.phase = if arrival == Arrival::Lost { Phase::Loss } else { Phase::Events };
                let mut opening = Event::empty().retry(this.settings.retry).encode();
                if arrival == Arrival::Fresh {
                    opening = self.prime(opening);
                }
                opening
            }
            // Loss → Events
            Phase::Loss => {
                *this.phase = Phase::Events;
                self.loss()
            }
            Phase::Events => match self.as_mut().poll_events(cx) {
                Poll::Ready(Some(bytes)) => bytes,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let this = self.project();
                    return this.silence.poll(&this.settings.heartbeat, cx).map(Some);
                }
            },
        };
        let this = self.as_mut().project();
        this.silence.end();
        if *this.phase == Phase::Events && this.follow.is_end() {
            self.leave();
        }
        Poll::Ready(Some(bytes))
    }

    fn poll_events(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.as_mut().project();
        // Events → Over, between two events
        if this.place.is_draining() {
            return Poll::Ready(Some(self.farewell()));
        }
        match this.follow.poll_next(&this.shared.log, cx) {
            Poll::Ready(Step::Event(event)) => Poll::Ready(Some(event)),
            Poll::Ready(Step::Overtaken) => Poll::Ready(Some(self.loss())),
            Poll::Ready(Step::End) => {
                self.leave();
                Poll::Ready(None)
            }
            // Who comes back resumes where this ended.
            Poll::Ready(Step::Failed(error)) => {
                this.settings.report(&error);
                Poll::Ready(Some(self.farewell()))
            }
            // Only who waits need hear of a drain, and that only once.
            Poll::Pending if this.silence.hand_over(cx) && this.place.wait(cx.waker()) => {
                Poll::Ready(Some(self.farewell()))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// The news of a loss, and then where the events go on: a reader that is cut off between the
    /// two is told again.
    fn loss(&self) -> Bytes {
        self.prime(reset(self.settings.reset.as_ref()))
    }

    /// These bytes, and the position as an id without an event (SSE-55).
    fn prime(&self, before: Bytes) -> Bytes {
        let mut buffer = [0; crate::Cursor::MAX_LEN];
        let id = Some(self.follow.at().write(&mut buffer));
        let mut bytes = BytesMut::from(before);
        bytes.extend_from_slice(&Block { id, ..Block::default() }.encode());
        bytes.freeze()
    }

    /// Ends with the wish to come back (SSE-56).
    fn farewell(self: Pin<&mut Self>) -> Bytes {
        let words = parting(self.settings.retry);
        self.leave();
        words
    }

    fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        *this.phase = Phase::Over;
        *this.seat = None;
    }
}
