//! A request between its tries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, request::Parts};
use http_body::Body;

use buttress_core::Attempt;

use crate::{ReplayBody, Why, frames::Frames, head::Head, settings::Common};

/// What is kept of a request, in one place: whoever passes it on passes a pointer.
pub(crate) struct Keep<B>(Arc<Kept<B>>);

/// Shared with the body of a try.
// Made empty in its place, and filled in there: there is too much of it to be moved.
pub(crate) struct Kept<B> {
    head: Head,
    pub(crate) limit: usize,
    slot: Mutex<Slot<B>>,
}

/// A body, and what was read of it so far.
pub(crate) struct Slot<B> {
    pub(crate) body: Where<B>,
    pub(crate) frames: Frames,
}

/// Where a body is.
pub(crate) enum Where<B> {
    /// There is none.
    Empty,
    /// Nobody has read of it.
    Unread(B),
    /// A try has it.
    Lent,
    /// It was read to its end, and all of it is held.
    Held,
    TooLarge,
}

impl<B: Body> Keep<B> {
    /// Whether a body can be sent more than once, as far as it is known by now.
    #[inline]
    pub(crate) fn takes(body: &B, limit: usize) -> bool {
        body.size_hint().lower() <= limit as u64
    }

    /// Keeps a request, whose body is that of the first try from now on.
    #[inline]
    pub(crate) fn new(parts: &Parts, body: B, limit: usize) -> (Self, ReplayBody<B>) {
        let is_empty = body.is_end_stream();
        let mut kept = Arc::<Kept<B>>::default();
        let Kept { head, limit: most, slot } = Arc::get_mut(&mut kept).expect("nobody else has it yet");
        head.fill(parts);
        *most = limit;
        if is_empty {
            return (Self(kept), ReplayBody::empty());
        }
        slot.get_mut().unwrap_or_else(PoisonError::into_inner).body = Where::Lent;
        let body = ReplayBody::unread(body, kept.clone());
        (Self(kept), body)
    }

    pub(crate) fn head(&self) -> &Head {
        &self.0.head
    }

    /// The body of the next try.
    fn body(&self) -> ReplayBody<B> {
        let mut slot = self.0.slot();
        match std::mem::replace(&mut slot.body, Where::Lent) {
            Where::Unread(body) => ReplayBody::unread(body, self.0.clone()),
            other => {
                slot.body = other;
                ReplayBody::again(slot.frames.clone().replay())
            }
        }
    }

    /// The request of a later try.
    pub(crate) fn request(&self, attempt: Attempt, common: &Common) -> Request<ReplayBody<B>> {
        self.0.head.request(self.body(), attempt, common)
    }

    /// Whether there is a body for another try, and if not, why.
    pub(crate) fn check(&self) -> Result<(), Why> {
        match &self.0.slot().body {
            Where::Empty | Where::Unread(_) | Where::Held => Ok(()),
            Where::TooLarge => Err(Why::BodyTooLarge),
            // It was read in part, or is still being sent.
            Where::Lent => Err(Why::BodyUnfinished),
        }
    }
}

impl<B> Default for Kept<B> {
    #[inline]
    fn default() -> Self {
        Self {
            head: Head::default(),
            limit: 0,
            slot: Mutex::new(Slot { body: Where::Empty, frames: Frames::default() }),
        }
    }
}

impl<B> Kept<B> {
    #[inline]
    pub(crate) fn slot(&self) -> MutexGuard<'_, Slot<B>> {
        // Whatever panicked did so while it was asked, and changed nothing.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
