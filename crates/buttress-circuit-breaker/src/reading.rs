use std::sync::Arc;

use crate::{Verdict, entry::Ticket, lane::Lane, permit::settle, window::Sample};

/// A call whose head said success, until the end of its body. Dropped before that, it gives its place back.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// `None` once it is judged, and where the body says nothing.
    lane: Option<Arc<Lane>>,
    right: Right,
}

/// A ticket above two bits. Bytes of their own would make bodies slow to move.
#[derive(Clone, Copy, Debug, Default)]
struct Right(u64);

/// The call was slow.
const SLOW: u64 = 1;
/// The inner body is running.
const RUNNING: u64 = 2;

impl Right {
    #[inline]
    fn new(ticket: Ticket, slow: bool) -> Self {
        Self(ticket.0 << 2 | if slow { SLOW } else { 0 })
    }

    #[inline]
    fn ticket(self) -> Ticket {
        Ticket(self.0 >> 2)
    }

    #[inline]
    fn is(self, kind: u64) -> bool {
        self.0 & kind != 0
    }
}

impl Reading {
    #[inline]
    pub(crate) fn new(lane: Arc<Lane>, ticket: Ticket, slow: bool) -> Self {
        Self { lane: Some(lane), right: Right::new(ticket, slow) }
    }

    /// The inner body runs. If this is dropped or run again before that [came back](Self::came_back), it has panicked
    /// (CBK-9).
    #[inline]
    pub(crate) fn run(&mut self) {
        if self.right.is(RUNNING) {
            self.fail();
        }
        self.right.0 |= RUNNING;
    }

    #[inline]
    pub(crate) fn came_back(&mut self) {
        self.right.0 &= !RUNNING;
    }

    /// The body has ended.
    #[inline]
    pub(crate) fn end(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        if self.right.is(SLOW) {
            settle(lane, self.right.ticket(), Some(Sample { slow: true, ..Sample::SUCCESS }), None);
        } else {
            lane.succeed(self.right.ticket(), None);
        }
    }

    /// The body broke.
    #[inline]
    pub(crate) fn fail(&mut self) {
        if let Some(lane) = self.lane.take() {
            broke(lane, self.right);
        }
    }
}

impl Drop for Reading {
    #[inline]
    fn drop(&mut self) {
        // Nearly always it was judged before.
        if let Some(lane) = self.lane.take() {
            dropped(lane, self.right);
        }
    }
}

/// The body was dropped before its end, maybe by its panic.
#[cold]
#[inline(never)]
fn dropped(lane: Arc<Lane>, right: Right) {
    if right.is(RUNNING) {
        return broke(lane, right);
    }
    let (ticket, slow) = (right.ticket(), right.is(SLOW));
    match lane.rules().early_drop {
        Verdict::Success if !slow => lane.succeed(ticket, None),
        Verdict::Success => settle(lane, ticket, Some(Sample { slow, ..Sample::SUCCESS }), None),
        Verdict::Failure => settle(lane, ticket, Some(Sample { failed: true, slow, local: true }), None),
        Verdict::Ignore => settle(lane, ticket, None, None),
    }
}

#[cold]
#[inline(never)]
fn broke(lane: Arc<Lane>, right: Right) {
    settle(lane, right.ticket(), Some(Sample { failed: true, slow: right.is(SLOW), local: true }), None);
}
