//! The body of a request between its tries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body::Body;

use crate::{ReplayBody, Why, frames::Frames};

/// What is kept of a request's body between its tries.
pub(crate) enum Keep<B> {
    Empty,
    Slot { slot: Arc<Mutex<Slot<B>>>, limit: usize },
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
    /// Takes a body to be sent more than once, unless it is known to be too large.
    pub(crate) fn new(body: B, limit: usize) -> Result<Self, B> {
        if body.is_end_stream() {
            Ok(Self::Empty)
        } else if body.size_hint().lower() > limit as u64 {
            Err(body)
        } else {
            Ok(Self::Slot { slot: Arc::new(Mutex::new(Slot::Unread(body))), limit })
        }
    }

    /// The body of the next try.
    pub(crate) fn body(&self) -> ReplayBody<B> {
        let Self::Slot { slot, limit } = self else { return ReplayBody::empty() };
        match &*lock(slot) {
            Slot::Held(frames) => ReplayBody::again(frames.clone().replay()),
            Slot::Unread(_) | Slot::Lent | Slot::TooLarge => ReplayBody::first(slot.clone(), *limit),
        }
    }

    /// Whether there is a body for another try, and if not, why.
    pub(crate) fn check(&mut self) -> Result<(), Why> {
        let Self::Slot { slot, .. } = self else { return Ok(()) };
        match Arc::get_mut(slot) {
            // The try has let go of it.
            Some(slot) => match slot.get_mut().unwrap_or_else(PoisonError::into_inner) {
                Slot::Unread(_) | Slot::Held(_) => Ok(()),
                Slot::TooLarge => Err(Why::BodyTooLarge),
                Slot::Lent => Err(Why::BodyUnfinished),
            },
            None => match &*lock(slot) {
                Slot::Held(_) => Ok(()),
                Slot::TooLarge => Err(Why::BodyTooLarge),
                // It is still being sent.
                Slot::Lent | Slot::Unread(_) => Err(Why::BodyUnfinished),
            },
        }
    }
}

pub(crate) fn lock<B>(slot: &Mutex<Slot<B>>) -> MutexGuard<'_, Slot<B>> {
    // Whatever panicked did so while it was asked, and changed nothing.
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
