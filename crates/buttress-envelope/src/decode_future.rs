use std::{
    error::Error,
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BufMut};
use http::{Response, StatusCode, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;

use crate::{ApiError, BoxError, codes, decode::decode_answer, walk};

pin_project! {
    /// The data of an answer to come: the future of [`Decode`](crate::Decode).
    #[must_use = "futures do nothing unless polled"]
    pub struct DecodeFuture<F, B, T> {
        #[pin]
        kind: Kind<F, B>,
        limit: usize,
        data: PhantomData<fn() -> T>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<F, B> {
        Calling { #[pin] future: F },
        Reading { parts: Parts, #[pin] body: B, data: Vec<u8> },
        Done,
    }
}

impl<F, B, T> DecodeFuture<F, B, T> {
    pub(crate) fn new(future: F, limit: usize) -> Self {
        Self { kind: Kind::Calling { future }, limit, data: PhantomData }
    }
}

impl<F: fmt::Debug, B: fmt::Debug, T> fmt::Debug for DecodeFuture<F, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeFuture").field("kind", &self.kind).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<F, B, E, T> Future for DecodeFuture<F, B, T>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    T: DeserializeOwned,
{
    type Output = Result<T, ApiError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let decoded = match this.kind.as_mut().project() {
                // Calling → Reading | Done
                KindProj::Calling { future } => match ready!(future.poll(cx)) {
                    Ok(response) => {
                        let (parts, body) = response.into_parts();
                        this.kind.set(Kind::Reading { parts, body, data: Vec::new() });
                        continue;
                    }
                    Err(error) => Err(unsent(error)),
                },
                // Reading → Done
                KindProj::Reading { parts, body, data } => match ready!(read(body, data, *this.limit, cx)) {
                    Ok(()) => decode_answer(parts, data),
                    Err(fault) => Err(unread(parts, fault)),
                },
                KindProj::Done => panic!("polled after it was ready"),
            };
            this.kind.set(Kind::Done);
            return Poll::Ready(decoded);
        }
    }
}

/// Reads a body to its end, as far as the limit.
fn read<B>(mut body: Pin<&mut B>, data: &mut Vec<u8>, limit: usize, cx: &mut Context<'_>) -> Poll<Result<(), Fault>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > (limit - data.len()) as u64 {
        return Poll::Ready(Err(Fault::TooLong(TooLong { limit })));
    }
    while let Some(frame) = ready!(body.as_mut().poll_frame(cx)) {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Poll::Ready(Err(Fault::Broken(error.into()))),
        };
        // Trailers tell nothing that is decoded.
        let Ok(part) = frame.into_data() else { continue };
        if part.remaining() > limit - data.len() {
            return Poll::Ready(Err(Fault::TooLong(TooLong { limit })));
        }
        data.put(part);
    }
    Poll::Ready(Ok(()))
}

/// Why an answer could not be read.
enum Fault {
    TooLong(TooLong),
    Broken(BoxError),
}

/// An answer that could not be read: of a failure the head tells enough.
fn unread(parts: &Parts, fault: Fault) -> ApiError {
    let failed = parts.status.is_client_error() || parts.status.is_server_error();
    match (failed, fault) {
        (true, Fault::TooLong(fault)) => told_by_head(parts).because(fault),
        (true, Fault::Broken(fault)) => told_by_head(parts).because(fault),
        (false, Fault::TooLong(fault)) => ApiError::new(codes::INTERNAL, "the answer is too long").because(fault),
        (false, Fault::Broken(fault)) => unsent(fault),
    }
}

fn told_by_head(parts: &Parts) -> ApiError {
    match decode_answer::<serde::de::IgnoredAny>(parts, b"") {
        Err(error) => error,
        Ok(_) => ApiError::new(codes::INTERNAL, "a failure that tells nothing"),
    }
}

/// A call that came to no answer.
pub(crate) fn unsent(error: impl Into<BoxError>) -> ApiError {
    let error = error.into();
    let known = walk::problem_of(&*error);
    if known.status() == StatusCode::INTERNAL_SERVER_ERROR {
        return ApiError::new(codes::UNAVAILABLE, "there was no answer, or not all of it").because(error);
    }
    ApiError::from(known).because(error)
}

/// An answer is longer than is read.
#[derive(Clone, Copy, Debug)]
struct TooLong {
    limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it has more than {} bytes", self.limit)
    }
}

impl Error for TooLong {}
