//! A request between its tries.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Request, request::Parts};
use http_body::Body;

use buttress_core::Attempt;

use crate::{
    ReplayBody, Why,
    extras::Lookup,
    frames::{Frames, Replay},
    head::Head,
    open::Limits,
    settings::Common,
};

/// What is kept of a request, in one place: whoever passes it on passes a pointer.
pub(crate) struct Keep<B>(Arc<Kept<B>>);

/// Shared with the body of a try.
// Made empty in its place, and filled in there: there is too much of it to be moved.
pub(crate) struct Kept<B> {
    head: Head,
    // None: there is no body.
    slot: Option<Mutex<Slot<B>>>,
}

/// A body, and what was read of it so far.
pub(crate) struct Slot<B> {
    pub(crate) body: Where<B>,
    pub(crate) frames: Frames,
    pub(crate) limit: usize,
}

/// Where a body is.
pub(crate) enum Where<B> {
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
    pub(crate) fn new(
        parts: &Parts,
        lookup: Lookup<'_>,
        limits: Limits,
        body: B,
        limit: usize,
    ) -> (Self, ReplayBody<B>) {
        let mut kept = Arc::<Kept<B>>::default();
        let Kept { head, slot } = Arc::get_mut(&mut kept).expect("nobody else has it yet");
        head.fill(parts, lookup, limits);
        if body.is_end_stream() {
            return (Self(kept), ReplayBody::empty());
        }
        *slot = Some(Mutex::new(Slot { body: Where::Lent, frames: Frames::default(), limit }));
        let body = ReplayBody::unread(body, kept.clone());
        (Self(kept), body)
    }

    pub(crate) fn head(&self) -> &Head {
        &self.0.head
    }

    /// The body of the next try.
    fn body(&self) -> ReplayBody<B> {
        let Some(mut slot) = self.0.lock() else { return ReplayBody::empty() };
        match mem::replace(&mut slot.body, Where::Lent) {
            Where::Unread(body) => ReplayBody::unread(body, self.0.clone()),
            other => {
                slot.body = other;
                ReplayBody::again(self.0.clone(), Replay::of(&slot.frames))
            }
        }
    }

    /// The request of a later try.
    pub(crate) fn request(&self, attempt: Attempt, common: &Common) -> Request<ReplayBody<B>> {
        self.0.head.request(self.body(), attempt, common)
    }

    /// Whether there is a body for another try, and if not, why.
    pub(crate) fn check(&self) -> Result<(), Why> {
        match self.0.lock().as_deref().map(|slot| &slot.body) {
            None | Some(Where::Unread(_) | Where::Held) => Ok(()),
            Some(Where::TooLarge) => Err(Why::BodyTooLarge),
            // It was read in part, or is still being sent.
            Some(Where::Lent) => Err(Why::BodyUnfinished),
        }
    }
}

impl<B> Default for Kept<B> {
    #[inline]
    fn default() -> Self {
        Self { head: Head::default(), slot: None }
    }
}

impl<B> Kept<B> {
    #[inline]
    fn lock(&self) -> Option<MutexGuard<'_, Slot<B>>> {
        // Whatever panicked did so while it was asked, and changed nothing.
        self.slot.as_ref().map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// That of a body which is there.
    #[inline]
    pub(crate) fn slot(&self) -> MutexGuard<'_, Slot<B>> {
        self.lock().expect("whoever has a body has it from there")
    }
}
