use std::sync::Arc;

use crate::{
    Verdict,
    entry::Ticket,
    lane::Lane,
    permit::settle,
    watched::{Fail, Watched},
    window::Sample,
};

/// A call whose head said success, until the end of its body. Dropped before that, it gives its place back.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// `None` once it is judged, and where the body says nothing.
    lane: Option<Arc<Lane>>,
    right: Right,
}

/// A ticket, and whether the call was slow in a bit that no generation comes to: a byte of its own makes bodies slow to move.
#[derive(Clone, Copy, Debug, Default)]
struct Right(u64);

const SLOW: u64 = 1 << 63;

impl Right {
    #[inline]
    fn new(ticket: Ticket, slow: bool) -> Self {
        Self(ticket.0 | if slow { SLOW } else { 0 })
    }

    #[inline]
    fn ticket(self) -> Ticket {
        Ticket(self.0 & !SLOW)
    }

    #[inline]
    fn slow(self) -> bool {
        self.0 & SLOW != 0
    }
}

impl Reading {
    #[inline]
    pub(crate) fn new(lane: Arc<Lane>, ticket: Ticket, slow: bool) -> Self {
        Self { lane: Some(lane), right: Right::new(ticket, slow) }
    }

    /// Looks after the inner body while it runs.
    #[inline]
    pub(crate) fn watch(&mut self) -> Watched<'_, Self> {
        Watched::new(self)
    }

    /// The body has ended.
    #[inline]
    pub(crate) fn end(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        if self.right.slow() {
            settle(lane, self.right.ticket(), Some(Sample { slow: true, ..Sample::SUCCESS }), None);
        } else {
            lane.succeed(self.right.ticket(), None);
        }
    }
}

impl Fail for Reading {
    /// The body broke, or panicked.
    #[inline]
    fn fail(&mut self) {
        if let Some(lane) = self.lane.take() {
            settle(
                lane,
                self.right.ticket(),
                Some(Sample { failed: true, slow: self.right.slow(), local: true }),
                None,
            );
        }
    }
}

impl Drop for Reading {
    #[inline]
    fn drop(&mut self) {
        // Nearly always it was judged before.
        if let Some(lane) = self.lane.take() {
            left_early(lane, self.right.ticket(), self.right.slow());
        }
    }
}

/// The body was dropped before its end.
#[cold]
#[inline(never)]
fn left_early(lane: Arc<Lane>, ticket: Ticket, slow: bool) {
    match lane.rules().early_drop {
        Verdict::Success if !slow => lane.succeed(ticket, None),
        Verdict::Success => settle(lane, ticket, Some(Sample { slow, ..Sample::SUCCESS }), None),
        Verdict::Failure => settle(lane, ticket, Some(Sample { failed: true, slow, local: true }), None),
        Verdict::Ignore => settle(lane, ticket, None, None),
    }
}
