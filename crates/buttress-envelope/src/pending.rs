//! An answer that has to be read before it is known what becomes of it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::response::Parts;
use http_body::Body;

use crate::{
    BoxError, ResponseBody,
    asked::{Asked, Settings},
    decide::Media,
    envelope::wrapped_len,
    foreign,
    headers::{self, Seen},
    read::{End, Read, Reading},
    render::{Answer, Shape, mark, render, shape_of, with_problem},
    resumed::Early,
    telemetry,
};

/// An answer whose body is being read.
#[derive(Debug)]
pub(crate) struct Pending<B> {
    // Taken when the reading has ended.
    kept: Option<(Parts, Reading<B>)>,
    why: Why,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// It is a failure, and this is its type.
    Failure(Media, Shape),
    /// It may be a failure that says it is none.
    Look(Seen),
}

impl<B> Pending<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(parts: Parts, body: B, why: Why, settings: Settings) -> Self {
        Self { kept: Some((parts, Reading::new(body, settings))), why }
    }
}

impl<B> Pending<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    pub(crate) fn poll(&mut self, asked: &Asked, cx: &mut Context<'_>) -> Poll<Answer<B>> {
        let (_, reading) = self.kept.as_mut().expect("not polled again after it was ready");
        let read = ready!(reading.poll(cx));
        let (parts, reading) = self.kept.take().expect("it was there a moment ago");
        Poll::Ready(match self.why {
            Why::Failure(media, shape) => understood(parts, media, &read, asked, shape),
            Why::Look(seen) => looked_into(parts, reading, read, &seen, asked),
        })
    }
}

/// A failure of which the body was read, as far as it went.
fn understood<B>(parts: Parts, media: Media, read: &Read, asked: &Asked, shape: Shape) -> Answer<B> {
    if parts.status.is_server_error() {
        telemetry::masked(parts.status, &read.data, asked.id(&parts.headers).as_ref());
    }
    let foreign = match &read.end {
        End::Whole(_) if media.is_json() => Some(foreign::of_json(parts.status, &read.data)),
        // A text is cut in any case.
        End::Whole(_) | End::More if !media.is_json() => Some(foreign::of_text(&read.data)),
        _ => None,
    };
    render(with_problem(parts, foreign), asked, shape, true)
}

/// A success of which the body was read: a failure after all, or wrapped with what was read.
fn looked_into<B>(mut parts: Parts, reading: Reading<B>, read: Read, seen: &Seen, asked: &Asked) -> Answer<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    let whole = matches!(read.end, End::Whole(_));
    if let Some((code, foreign)) = foreign::disguised(&read.data).filter(|_| whole) {
        parts.status = code.status();
        return render(with_problem(parts, Some(foreign)), asked, shape_of(asked), true);
    }
    let body = reading.into_body();
    let length = if whole {
        Some(read.data.len() as u64)
    } else {
        body.size_hint().exact().map(|left| left.saturating_add(read.data.len() as u64))
    };
    headers::success(&mut parts.headers, seen, length.map(wrapped_len));
    mark(&mut parts.extensions, asked);
    http::Response::from_parts(parts, ResponseBody::resumed(body, Early::from(read)))
}
