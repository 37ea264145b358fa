//! Frame by frame.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::{Capture, Draft, Polled, filter_trailers};
use crate::{IdempotencyStore, Kept, Settlement, settings::Settings, telemetry};

impl<B, St> Capture<B, St>
where
    B: Body,
    B::Data: From<Bytes>,
    St: IdempotencyStore,
{
    pub(crate) fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Polled<B>> {
        loop {
            let mut this = self.as_mut().project();
            if let Some(settling) = this.settling {
                match settling.poll(cx) {
                    Poll::Ready(()) => *this.settling = None,
                    // Only the end waits for the store.
                    Poll::Pending if this.end.is_some() => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            if let Some(end) = this.end.take() {
                *this.over = true;
                return Poll::Ready(end);
            }
            if *this.over {
                return Poll::Ready(None);
            }
            *this.polling = true;
            let polled = this.body.as_mut().poll_frame(cx);
            *this.polling = false;
            if polled.is_pending() && this.draft.is_some() {
                this.keeper.poll(cx);
            }
            match ready!(polled) {
                Some(Ok(frame)) => {
                    if let Some(frame) = self.as_mut().take_note(frame, cx) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                // An answer that broke off is no answer, but what it tells of is done.
                end @ Some(Err(_)) => {
                    *this.end = Some(end);
                    self.as_mut().settle(true);
                }
                None => {
                    *this.end = Some(None);
                    self.as_mut().settle(false);
                }
            }
        }
    }

    /// Hands a frame on, unless it is the last: that one waits for the store.
    fn take_note(mut self: Pin<&mut Self>, frame: Frame<B::Data>, cx: &mut Context<'_>) -> Option<Frame<B::Data>> {
        let this = self.as_mut().project();
        let Some(draft) = this.draft else { return Some(frame) };
        let (frame, fits) = draft.add(frame, &this.keeper.shared.settings);
        let is_last = this.body.is_end_stream();
        if fits && !is_last {
            // A caller may take its time for an answer that is all there.
            this.keeper.poll(cx);
            return Some(frame);
        }
        self.as_mut().settle(!fits);
        if !is_last {
            return Some(frame);
        }
        *self.project().end = Some(Some(Ok(frame)));
        None
    }

    /// The answer has ended, or will not be kept.
    fn settle(self: Pin<&mut Self>, bare: bool) {
        let this = self.project();
        if let Some(draft) = this.draft.take() {
            let nothing = Settlement::Complete(Kept::Nothing);
            *this.settling = Some(if bare { this.keeper.settle(nothing) } else { draft.settle(this.keeper) });
        }
    }
}

impl<B: Body, St: IdempotencyStore> Capture<B, St> {
    pub(crate) fn is_end_stream(&self) -> bool {
        // What waits for the store is still to come.
        self.over
            || (self.end.is_none() && self.settling.is_none() && self.draft.is_none() && self.body.is_end_stream())
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match &self.end {
            Some(Some(Ok(frame))) => SizeHint::with_exact(frame.data_ref().map_or(0, |data| data.remaining() as u64)),
            Some(_) => SizeHint::with_exact(0),
            None if self.over => SizeHint::with_exact(0),
            None => self.body.size_hint(),
        }
    }
}

impl Draft {
    /// Takes note of a frame, without a copy of what is long. `false` when there is more than fits.
    fn add<D: Buf + From<Bytes>>(&mut self, frame: Frame<D>, settings: &Settings) -> (Frame<D>, bool) {
        let len = frame.data_ref().map_or(0, Buf::remaining);
        if self.chunks.len() + len > settings.answer_limit || !self.take_room(len, settings) {
            return (frame, false);
        }
        match frame.into_data() {
            Ok(mut data) => {
                let data = data.copy_to_bytes(len);
                self.chunks.push(data.clone());
                (Frame::data(data.into()), true)
            }
            Err(frame) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.trailers = Some(Box::new(filter_trailers(trailers)));
                }
                (frame, true)
            }
        }
    }

    /// Room among all answers that are being recorded.
    fn take_room(&mut self, len: usize, settings: &Settings) -> bool {
        let taken = len == 0 || self.share.take(len, &settings.answer_budget);
        if !taken {
            telemetry::crowded_out();
        }
        taken
    }
}
