use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    vec,
};

use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::{Cursor, EventLog, Excerpt, StreamKey, StreamState, resume::failure::Failure};

pin_project! {
    /// One reader's way through a stream of any log.
    pub(crate) struct Follow<L: EventLog> {
        log: Arc<L>,
        key: StreamKey,
        // The position of the last event that was handed out.
        at: Cursor,
        // As of the last look into the log.
        state: StreamState,
        last: u64,
        events: vec::IntoIter<Bytes>,
        #[pin]
        asking: Asking<L>,
    }
}

pin_project! {
    #[project = AskingProj]
    enum Asking<L: EventLog> {
        Nothing,
        Excerpt { #[pin] read: L::Read },
        News { #[pin] wait: L::Wait },
        End { #[pin] write: L::Write },
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

/// What to ask the log for, when all it has given is handed out.
enum Question {
    More,
    News,
    /// Nobody else will end the stream.
    Ending,
}

impl<L: EventLog> Follow<L> {
    pub(crate) fn new(log: Arc<L>, key: StreamKey, excerpt: Excerpt) -> Self {
        let Excerpt { state, from, covered: _, events, last } = excerpt;
        Self { log, key, at: from, state, last, events: events.into_iter(), asking: Asking::Nothing }
    }

    /// The position of the last event that was handed out.
    pub(crate) fn at(&self) -> &Cursor {
        &self.at
    }

    /// Whether the last event of all has been handed out.
    pub(crate) fn is_end(&self) -> bool {
        self.state == StreamState::Finished && self.at.offset() >= self.last
    }

    pub(crate) fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step<L::Error>> {
        loop {
            let mut this = self.as_mut().project();
            if let Some(event) = this.events.next() {
                *this.at = this.at.at(this.at.offset() + 1);
                return Poll::Ready(Step::Event(event));
            }
            let answered = match this.asking.as_mut().project() {
                AskingProj::Nothing => {
                    if self.is_end() {
                        return Poll::Ready(Step::End);
                    }
                    let question = self.question();
                    self.as_mut().ask(question);
                    continue;
                }
                AskingProj::Excerpt { read } => ready!(read.poll(cx)).map(Some),
                AskingProj::News { wait } => ready!(wait.poll(cx)).map(|()| None),
                AskingProj::End { write } => ready!(write.poll(cx)).map(|_| None),
            };
            this.asking.set(Asking::Nothing);
            match answered {
                Ok(None) => self.as_mut().ask(Question::More),
                // Forgotten: who comes back is told of the loss.
                Ok(Some(None)) => return Poll::Ready(Step::End),
                Ok(Some(Some(excerpt))) => {
                    if !self.as_mut().take(excerpt) {
                        return Poll::Ready(Step::Overtaken);
                    }
                }
                Err(error) => return Poll::Ready(Step::Failed(error)),
            }
        }
    }

    fn question(&self) -> Question {
        match self.state {
            _ if self.at.offset() < self.last => Question::More,
            StreamState::Abandoned => Question::Ending,
            StreamState::Starting | StreamState::Live | StreamState::Finished => Question::News,
        }
    }

    fn ask(self: Pin<&mut Self>, question: Question) {
        let mut this = self.project();
        let (log, key, at) = (this.log, &*this.key, &*this.at);
        this.asking.set(match question {
            Question::More => Asking::Excerpt { read: log.read(key, Some(at), MOST) },
            Question::News => Asking::News { wait: log.wait(key, at, *this.state) },
            Question::Ending => {
                let end = at.at(at.offset() + 1);
                let event = Failure::Interrupted.event(None).encode_at(&end);
                Asking::End { write: log.finish(key, &end, Some(event)) }
            }
        });
    }

    /// Goes on with what the log has given; whether nothing is missing.
    fn take(self: Pin<&mut Self>, excerpt: Excerpt) -> bool {
        let this = self.project();
        let Excerpt { state, from, covered, events, last } = excerpt;
        (*this.state, *this.last, *this.at) = (state, last, from);
        *this.events = events.into_iter();
        covered
    }
}

/// The most events that a reader holds at once.
pub(crate) const MOST: usize = 64;
