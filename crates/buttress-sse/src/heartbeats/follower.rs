use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::{BoxError, layer::Settings, lead::Lead};
use crate::{Border, UnfinishedEvent, body::parting, drain::Place, heartbeat::Silence};

pin_project! {
    /// Goes along with one event stream, and speaks when it is silent.
    #[derive(Debug)]
    pub(super) struct Follower {
        settings: Arc<Settings>,
        phase: Phase,
        border: Border,
        lead: Lead,
        // Bytes went out since the silence was last measured.
        spoke: bool,
        #[pin]
        silence: Silence,
        place: Option<Place>,
        // Set when a drain finds the stream inside an event.
        grace: Option<Pin<Box<Sleep>>>,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Events,
    /// The trailers have been sent, after which no data may come.
    Trailed,
    /// The last border has been reached, and only the last words are to be sent.
    Leaving,
    Ended,
}

type Passed<D> = Result<Frame<D>, BoxError>;
type Polled<D> = Poll<Option<Passed<D>>>;

impl Follower {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let silence = Silence::new(&settings.heartbeat);
        let place = settings.drain.clone().map(Place::new);
        let (border, lead) = (Border::new(), Lead::default());
        // Silence counts from the start, too.
        Self { settings, phase: Phase::Events, border, lead, spoke: true, silence, place, grace: None }
    }

    /// Whether the body has ended; what the inner body says, if not said here.
    pub(super) fn is_end(&self) -> Option<bool> {
        match self.phase {
            Phase::Ended => Some(true),
            Phase::Leaving => Some(false),
            Phase::Events | Phase::Trailed => None,
        }
    }

    #[inline]
    pub(super) fn poll_frame<B>(
        mut self: Pin<&mut Self>,
        mut inner: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Polled<B::Data>
    where
        B: Body,
        B::Data: From<Bytes>,
        B::Error: Into<BoxError>,
    {
        loop {
            if self.is_over() {
                return self.leave();
            }
            match inner.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(passed) = self.as_mut().pass(frame, cx) {
                        return Poll::Ready(Some(passed));
                    }
                }
                // (Events | Trailed) → Ended
                Poll::Ready(last) => {
                    *self.project().phase = Phase::Ended;
                    return Poll::Ready(last.map(|last| last.map_err(Into::into)));
                }
                Poll::Pending => return self.wait(cx),
            }
        }
    }

    /// Whether the stream itself is not to be polled any more.
    #[inline]
    fn is_over(&self) -> bool {
        match self.phase {
            Phase::Events => self.is_draining() && self.border.is_border(),
            Phase::Trailed => self.is_draining(),
            Phase::Leaving | Phase::Ended => true,
        }
    }

    #[inline]
    fn is_draining(&self) -> bool {
        self.place.as_ref().is_some_and(Place::is_draining)
    }

    /// Any → Ended, with the last words if there may be any.
    #[cold]
    fn leave<D: From<Bytes>>(self: Pin<&mut Self>) -> Polled<D> {
        let this = self.project();
        let silent = matches!(this.phase, Phase::Trailed | Phase::Ended);
        *this.phase = Phase::Ended;
        let words = (!silent).then(|| parting(this.settings.retry));
        Poll::Ready(words.map(|words| Ok(Frame::data(words.into()))))
    }

    /// A frame of the stream, untouched unless something is to be left out of it; none if nothing is left.
    #[inline]
    fn pass<D: Buf + From<Bytes>>(
        mut self: Pin<&mut Self>,
        frame: Frame<D>,
        cx: &mut Context<'_>,
    ) -> Option<Passed<D>> {
        match frame.data_ref().and_then(whole) {
            Some(bytes) if self.lead.passes() && !self.is_draining() => {
                let this = self.as_mut().project();
                this.border.follow(bytes);
                *this.spoke |= !bytes.is_empty();
                Some(Ok(frame))
            }
            _ => self.pass_with_care(frame, cx),
        }
    }

    #[cold]
    fn pass_with_care<D: Buf + From<Bytes>>(
        self: Pin<&mut Self>,
        frame: Frame<D>,
        cx: &mut Context<'_>,
    ) -> Option<Passed<D>> {
        let draining = self.is_draining();
        let this = self.project();
        let mut data = match frame.into_data() {
            Ok(data) => data,
            // Events → Trailed
            Err(trailers) => {
                *this.phase = Phase::Trailed;
                return Some(Ok(trailers));
            }
        };
        let mut bytes = data.copy_to_bytes(data.remaining());
        if !draining {
            this.border.follow(&bytes);
        } else if let Some(end) = this.border.last_in(&bytes) {
            bytes.truncate(end);
            *this.phase = Phase::Leaving;
        } else if grace(this.grace, this.settings.grace, cx).is_ready() {
            *this.phase = Phase::Ended;
            return Some(Err(UnfinishedEvent::new().into()));
        }
        let bytes = this.lead.strip(bytes);
        if bytes.is_empty() {
            return None;
        }
        *this.spoke = true;
        Some(Ok(Frame::data(bytes.into())))
    }

    /// The stream has nothing to say for now.
    fn wait<D: From<Bytes>>(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<D> {
        let this = self.as_mut().project();
        // Nearly always the same as long as the stream lasts, and so told to the others once.
        if this.silence.hand_over(cx)
            && let Some(place) = this.place
        {
            place.wait(cx.waker());
        }
        let draining = self.is_draining();
        if draining && self.is_over() {
            return self.leave();
        }
        let mut this = self.project();
        if draining {
            ready!(grace(this.grace, this.settings.grace, cx));
            *this.phase = Phase::Ended;
            return Poll::Ready(Some(Err(UnfinishedEvent::new().into())));
        }
        if *this.phase == Phase::Trailed || !this.border.is_border() {
            return Poll::Pending;
        }
        let unheard = *this.border == Border::new();
        let words = if unheard && this.lead.passes() && this.settings.opening {
            *this.spoke = true;
            COMMENT
        } else {
            if mem::take(this.spoke) {
                this.silence.as_mut().end();
            }
            ready!(this.silence.as_mut().poll(&this.settings.heartbeat, cx))
        };
        // It is to be the first to be heard, and no longer is.
        if unheard {
            *this.lead = Lead::watch();
        }
        Poll::Ready(Some(Ok(Frame::data(words.into()))))
    }
}

/// The bytes of data that lies in one piece.
fn whole(data: &impl Buf) -> Option<&[u8]> {
    let chunk = data.chunk();
    (chunk.len() == data.remaining()).then_some(chunk)
}

/// Ready when a stream that is drained has had its time.
fn grace(end: &mut Option<Pin<Box<Sleep>>>, time: Duration, cx: &mut Context<'_>) -> Poll<()> {
    end.get_or_insert_with(|| Box::pin(sleep(time))).as_mut().poll(cx)
}

/// What a stream begins with that has nothing to say.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
