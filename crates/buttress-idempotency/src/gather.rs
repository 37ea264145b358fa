//! Reading the body of a request, within a bound.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame};

use crate::{
    budget::{Budget, Share},
    chunks::Chunks,
};

/// What has come of a body so far.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) chunks: Chunks,
    pub(crate) trailers: Option<Box<HeaderMap>>,
    /// Of the budget, for as long as the data is here.
    share: Share,
}

/// Why a body cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    TooLong,
    TooSlow,
    BrokenOff,
    /// Others have taken the room for it.
    Crowded,
}

impl Gathered {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.len() == 0 && self.trailers.is_none()
    }

    /// What comes next of it.
    pub(crate) fn pop_frame<D: From<Bytes>>(&mut self) -> Option<Frame<D>> {
        let Some(data) = self.chunks.pop() else {
            return self.trailers.take().map(|trailers| Frame::trailers(*trailers));
        };
        self.share.give_back(data.len());
        Some(Frame::data(data.into()))
    }

    /// Resolves when the body is here, or as soon as it is clear that it will not be.
    pub(crate) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
        limit: usize,
        budget: &Budget,
    ) -> Poll<Result<(), Unread>> {
        let room = |chunks: &Chunks| (limit - chunks.len()) as u64;
        let least = body.size_hint().lower();
        if least > room(&self.chunks) {
            return Poll::Ready(Err(Unread::TooLong));
        }
        // Better now than when most of it has come.
        if !budget.has_room(least) {
            return Poll::Ready(Err(Unread::Crowded));
        }
        // A body may know that it has ended, and say nothing of it when asked.
        while !body.is_end_stream() {
            let Some(frame) = ready!(body.as_mut().poll_frame(cx)) else { break };
            match frame.map_err(|_| Unread::BrokenOff)?.into_data() {
                Ok(mut data) => {
                    let len = data.remaining();
                    if len as u64 > room(&self.chunks) {
                        return Poll::Ready(Err(Unread::TooLong));
                    }
                    if len > 0 && !self.share.take(len, budget) {
                        return Poll::Ready(Err(Unread::Crowded));
                    }
                    self.chunks.push(data.copy_to_bytes(len));
                }
                Err(frame) => self.trailers = frame.into_trailers().ok().map(Box::new),
            }
        }
        Poll::Ready(Ok(()))
    }
}
