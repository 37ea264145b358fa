//! A request between its tries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Request, request::Parts};
use http_body::Body;

use buttress_core::Attempt;

use crate::{ReplayBody, Why, frames::Frames, head::Head, settings::Common};

/// What is kept of a request, in one place: whoever passes it on passes a pointer.
pub(crate) struct Keep<B>(Arc<Kept<B>>);

/// Shared with the body of the first try.
pub(crate) struct Kept<B> {
    head: Head,
    pub(crate) limit: usize,
    // None: there is no body to keep.
    body: Option<Mutex<Slot<B>>>,
}

/// Where a body is.
pub(crate) enum Slot<B> {
    /// Nobody has read of it.
    Unread(B),
    /// A try has it.
    Lent,
    Held(Frames),
    TooLarge,
}

impl<B: Body> Keep<B> {
    /// Whether a body can be sent more than once, as far as it is known by now.
    #[inline]
    pub(crate) fn takes(body: &B, limit: usize) -> bool {
        body.size_hint().lower() <= limit as u64
    }

    #[inline]
    pub(crate) fn new(parts: &Parts, body: B, limit: usize) -> Self {
        let body = if body.is_end_stream() { None } else { Some(Mutex::new(Slot::Unread(body))) };
        let mut kept = Arc::new(Kept { head: Head::of(parts), limit, body });
        Arc::get_mut(&mut kept).expect("nobody else has it yet").head.fill(&parts.headers);
        Self(kept)
    }

    pub(crate) fn head(&self) -> &Head {
        &self.0.head
    }

    /// The body of the next try.
    #[inline]
    pub(crate) fn body(&self) -> ReplayBody<B> {
        let Some(slot) = &self.0.body else { return ReplayBody::empty() };
        if let Slot::Held(frames) = &*lock(slot) {
            return ReplayBody::again(frames.clone().replay());
        }
        ReplayBody::first(self.0.clone())
    }

    /// The request of a later try.
    pub(crate) fn request(&self, attempt: Attempt, common: &Common) -> Request<ReplayBody<B>> {
        self.0.head.request(self.body(), attempt, common)
    }

    /// Whether there is a body for another try, and if not, why.
    pub(crate) fn check(&mut self) -> Result<(), Why> {
        let is_alone = Arc::get_mut(&mut self.0).is_some();
        let Some(slot) = &self.0.body else { return Ok(()) };
        match &*lock(slot) {
            Slot::Held(_) => Ok(()),
            // The try has let go of it.
            Slot::Unread(_) if is_alone => Ok(()),
            Slot::TooLarge => Err(Why::BodyTooLarge),
            // It was read in part, or is still being sent.
            Slot::Unread(_) | Slot::Lent => Err(Why::BodyUnfinished),
        }
    }
}

impl<B> Kept<B> {
    /// The place of a body that there is.
    pub(crate) fn slot(&self) -> MutexGuard<'_, Slot<B>> {
        lock(self.body.as_ref().expect("only a body that there is has a first try"))
    }
}

fn lock<B>(slot: &Mutex<Slot<B>>) -> MutexGuard<'_, Slot<B>> {
    // Whatever panicked did so while it was asked, and changed nothing.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
