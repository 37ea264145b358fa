use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    vec,
};

use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;

use crate::{Cursor, EventLog, Excerpt, StreamKey, StreamState, resume::failure::Failure};

pin_project! {
    /// One reader's way through a stream of any log, which is always the same.
    pub(crate) struct Follow<L: EventLog> {
        key: StreamKey,
        // The position of the last event that was handed out.
        at: Cursor,
        // As of the last news of the log.
        state: StreamState,
        last: u64,
        events: vec::IntoIter<Bytes>,
        // From the first time on that all which the log has given is handed out.
        #[pin]
        tail: Option<L::Tail>,
        #[pin]
        ending: Ending<L>,
    }
}

pin_project! {
    /// What this reader has done about a stream that its producer has abandoned: nobody else would end it.
    #[project = EndingProj]
    enum Ending<L: EventLog> {
        Nothing,
        Asked { #[pin] write: L::Write },
        Done,
    }
}

/// What a reader comes to.
pub(crate) enum Step<E> {
    Event(Bytes),
    /// What came next was evicted; the events go on with the oldest that is kept.
    Overtaken,
    End,
    Failed(E),
}

impl<L: EventLog> Follow<L> {
    pub(crate) fn new(key: StreamKey, excerpt: Excerpt) -> Self {
        let Excerpt { state, from, covered: _, events, last } = excerpt;
        Self { key, at: from, state, last, events: events.into_iter(), tail: None, ending: Ending::Nothing }
    }

    /// The position of the last event that was handed out.
    pub(crate) fn at(&self) -> &Cursor {
        &self.at
    }

    /// Whether the last event of all has been handed out.
    pub(crate) fn is_end(&self) -> bool {
        self.state == StreamState::Finished && self.at.offset() >= self.last
    }

    pub(crate) fn poll_next(mut self: Pin<&mut Self>, log: &L, cx: &mut Context<'_>) -> Poll<Step<L::Error>> {
        loop {
            let this = self.as_mut().project();
            if let Some(event) = this.events.next() {
                this.at.advance();
                return Poll::Ready(Step::Event(event));
            }
            if self.is_end() {
                return Poll::Ready(Step::End);
            }
            if self.is_abandoned()
                && let Err(error) = ready!(self.as_mut().poll_ending(log, cx))
            {
                return Poll::Ready(Step::Failed(error));
            }
            let covered = match ready!(self.as_mut().poll_tail(log, cx)) {
                Some(Ok(excerpt)) => self.as_mut().take(excerpt),
                Some(Err(error)) => return Poll::Ready(Step::Failed(error)),
                // Forgotten: who comes back is told of the loss.
                None => return Poll::Ready(Step::End),
            };
            if !covered {
                return Poll::Ready(Step::Overtaken);
            }
        }
    }

    /// Whether no producer will ever add to what has been handed out.
    fn is_abandoned(&self) -> bool {
        self.state == StreamState::Abandoned && self.at.offset() >= self.last
    }

    fn poll_ending(self: Pin<&mut Self>, log: &L, cx: &mut Context<'_>) -> Poll<Result<(), L::Error>> {
        let mut this = self.project();
        if let Ending::Nothing = *this.ending {
            let end = this.at.at(this.at.offset() + 1);
            let event = Failure::Interrupted.event(None).encode_at(&end);
            let write = log.finish(this.key, &end, Some(event));
            this.ending.set(Ending::Asked { write });
        }
        if let EndingProj::Asked { write } = this.ending.as_mut().project() {
            // Whether it was this reader or another, there is news.
            let _written = ready!(write.poll(cx))?;
            this.ending.set(Ending::Done);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_tail(self: Pin<&mut Self>, log: &L, cx: &mut Context<'_>) -> Poll<Option<Result<Excerpt, L::Error>>> {
        let mut this = self.project();
        if this.tail.is_none() {
            let tail = log.tail(this.key, this.at, *this.state, MOST);
            this.tail.set(Some(tail));
        }
        let polled = this.tail.as_pin_mut().map(|tail| tail.poll_next(cx));
        if matches!(polled, Some(Poll::Pending)) {
            // No room is kept while there is nothing to hold.
            *this.events = Vec::new().into_iter();
        }
        polled.unwrap_or(Poll::Ready(None))
    }

    /// Goes on with what the log has given; whether nothing is missing.
    fn take(self: Pin<&mut Self>, excerpt: Excerpt) -> bool {
        let mut this = self.project();
        let Excerpt { state, from, covered, events, last } = excerpt;
        (*this.state, *this.last, *this.at) = (state, last, from);
        *this.events = events.into_iter();
        this.ending.set(Ending::Nothing);
        covered
    }
}

/// The most events that a reader holds at once.
pub(crate) const MOST: usize = 64;
