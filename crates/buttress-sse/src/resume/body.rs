use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_core::Body as Answer;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{EventLog, resume::reader::Reader};

pin_project! {
    /// The body of an answer that went through a [`ResumeLayer`](crate::ResumeLayer): events from
    /// the log, a body of the inner service that is passed on, or a short answer of the layer.
    ///
    /// One frame of an event stream is one event, a heartbeat or the like, so a stream that is cut
    /// between two frames is cut cleanly. It reads from the log only when it is polled.
    ///
    /// # Cancel safety
    ///
    /// Dropping it at any time touches neither the stream nor other readers. What it has not
    /// handed out is replayed to a reader that comes with the last cursor.
    #[must_use = "a body sends nothing unless it is polled"]
    pub struct ResumeBody<B, L: EventLog> {
        #[pin]
        kind: Kind<B, L>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B, L: EventLog> {
        Answer { #[pin] body: Answer<B> },
        Events { #[pin] reader: Reader<L> },
    }
}

impl<B, L: EventLog> ResumeBody<B, L> {
    pub(crate) fn answer(body: Answer<B>) -> Self {
        Self { kind: Kind::Answer { body } }
    }

    pub(crate) fn events(reader: Reader<L>) -> Self {
        Self { kind: Kind::Events { reader } }
    }
}

impl<B, L> Body for ResumeBody<B, L>
where
    B: Body,
    B::Data: From<Bytes>,
    L: EventLog,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Answer { body } => body.poll_frame(cx),
            KindProj::Events { reader } => {
                reader.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Answer { body } => body.is_end_stream(),
            Kind::Events { reader } => reader.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Answer { body } => body.size_hint(),
            Kind::Events { reader } if reader.is_over() => SizeHint::with_exact(0),
            Kind::Events { .. } => SizeHint::default(),
        }
    }
}

impl<B, L: EventLog> fmt::Debug for ResumeBody<B, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self.kind, Kind::Answer { .. }) { "answer" } else { "events" };
        f.debug_struct("ResumeBody").field("kind", &kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::Empty;

    use super::*;
    use crate::MemoryLog;

    #[test]
    fn an_idle_stream_costs_at_most_512_bytes() {
        let body = size_of::<ResumeBody<Empty<Bytes>, MemoryLog>>();
        // Its wakers, with the log and with the drain.
        assert!(body + 2 * size_of::<Option<Waker>>() <= 512, "{body}");
    }
}
