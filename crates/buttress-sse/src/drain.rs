use std::{sync::Arc, task::Waker};

use crate::{
    sync::{AtomicBool, Mutex, Ordering, lock},
    waiters::Waiters,
};

/// Sends the readers of event streams away, for a shutdown.
///
/// Give a clone to each [`HeartbeatLayer`](crate::HeartbeatLayer), and call [`drain`](Self::drain) before the server
/// waits for its connections to end: a stream that never ends by itself would let it wait for ever. All clones are one.
///
/// # Examples
///
/// ```
/// use buttress_sse::{Drain, Heartbeat, HeartbeatLayer};
///
/// let drain = Drain::new();
/// let layer = HeartbeatLayer::new(Heartbeat::default()).drained_by(&drain);
/// // … and at the shutdown, before `GracefulShutdown::shutdown` of hyper-util, for one:
/// drain.drain();
/// assert!(drain.is_draining());
/// ```
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    draining: AtomicBool,
    waiters: Mutex<Waiters>,
}

impl Drain {
    /// A handle to streams that go on for now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends each stream at its next border, after a `retry:` with a random part in it (SSE-56). Streams that begin later
    /// end at once in the same way. It cannot be undone.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
        let woken = lock(&self.0.waiters).take();
        if let Some(woken) = woken {
            woken.wake();
        }
    }

    /// Whether [`drain`](Self::drain) has been called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }
}

/// The place of one stream among those that are to be drained.
#[derive(Debug)]
pub(crate) struct Place {
    drain: Drain,
    slot: Option<u32>,
}

impl Place {
    pub(crate) fn new(drain: Drain) -> Self {
        Self { drain, slot: None }
    }

    /// Who drains sets the flag before he takes the wakers: a drain that is not seen here wakes whoever waits already.
    #[inline]
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    /// Sees to it that a drain wakes this waker, until it is replaced by another. Whether there is one already.
    pub(crate) fn wait(&mut self, waker: &Waker) -> bool {
        let replaced = lock(&self.drain.0.waiters).wait(&mut self.slot, waker);
        // Wakers run foreign code when they are dropped: no lock is held here.
        drop(replaced);
        self.is_draining()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let waker = lock(&self.drain.0.waiters).leave(slot);
            drop(waker);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    // SSE-45
    #[test]
    fn a_stream_that_is_gone_leaves_no_waker_behind() {
        let drain = Drain::new();
        for _ in 0..3 {
            let mut place = Place::new(drain.clone());
            place.wait(Waker::noop());
            assert_eq!(lock(&drain.0.waiters).readers(), 1);
            drop(place);
            assert_eq!(lock(&drain.0.waiters).readers(), 0);
        }
    }
}
