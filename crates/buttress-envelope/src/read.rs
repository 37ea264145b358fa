//! The bounded, timed read of a body that somebody else wrote.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http::HeaderMap;
use http_body::Body;

use crate::{BoxError, asked::Settings, resumed::Early, timer::Timer};

#[derive(Debug)]
pub(crate) struct Reading<B> {
    body: Pin<Box<B>>,
    data: Vec<u8>,
    limit: usize,
    timer: Timer,
}

/// What a read came to.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) data: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Debug)]
pub(crate) enum End {
    /// That was all.
    Whole(Option<HeaderMap>),
    /// There is more than is read.
    More,
    /// The rest did not come in time.
    Late,
    Broken(BoxError),
}

impl<B> Reading<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(body: B, settings: Settings) -> Self {
        let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).min(settings.bytes);
        let timer = Timer::new(settings.time);
        Self { body: Box::pin(body), data: Vec::with_capacity(expected), limit: settings.bytes, timer }
    }

    /// Reads until the body ends, fails, is longer than the limit, or time is up. What is there already beats the time.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        while self.data.len() <= self.limit {
            let end = match self.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.take(data);
                        continue;
                    }
                    Err(frame) => End::Whole(frame.into_trailers().ok()),
                },
                Poll::Ready(Some(Err(error))) => End::Broken(error.into()),
                Poll::Ready(None) => End::Whole(None),
                Poll::Pending if self.timer.poll(cx).is_ready() => End::Late,
                Poll::Pending => return Poll::Pending,
            };
            return Poll::Ready(self.ends(end));
        }
        Poll::Ready(self.ends(End::More))
    }

    /// All of a frame is kept, though it may go beyond the limit: it is in memory as it is.
    fn take(&mut self, mut data: B::Data) {
        self.data.reserve(data.remaining());
        while data.has_remaining() {
            let chunk = data.chunk();
            let length = chunk.len();
            self.data.extend_from_slice(chunk);
            data.advance(length);
        }
    }

    fn ends(&mut self, end: End) -> Read {
        Read { data: std::mem::take(&mut self.data), end }
    }

    pub(crate) fn into_body(self) -> Pin<Box<B>> {
        self.body
    }
}

impl From<Read> for Early {
    fn from(read: Read) -> Self {
        let end = match read.end {
            End::Whole(trailers) => Some(Ok(trailers)),
            End::Broken(error) => Some(Err(error)),
            End::More | End::Late => None,
        };
        Self { data: read.data.into(), end }
    }
}
