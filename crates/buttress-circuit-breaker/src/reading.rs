use crate::{Verdict, entry::Ticket, lane::Lane, window::Sample};

/// A call whose head said success, until the end of its body. Dropped before that, it gives its place back.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// `None` once it is judged, and where the body says nothing.
    lane: Option<&'static Lane>,
    right: Right,
}

/// The same while the inner body runs. If that panics, this is dropped and says so (CBK-9).
#[derive(Debug)]
pub(crate) struct Running {
    lane: Option<&'static Lane>,
    right: Right,
}

/// A ticket below one bit. A byte of its own would make bodies slow to move.
#[derive(Clone, Copy, Debug, Default)]
struct Right(u64);

/// The call was slow.
const SLOW: u64 = 1 << 63;

const _: () = assert!(Ticket::BITS <= SLOW.trailing_zeros());

impl Right {
    #[inline]
    fn new(ticket: Ticket, slow: bool) -> Self {
        Self(ticket.0 | if slow { SLOW } else { 0 })
    }

    #[inline]
    fn ticket(self) -> Ticket {
        Ticket(self.0 & !SLOW)
    }

    fn sample(self, failed: bool) -> Sample {
        Sample { failed, slow: self.0 & SLOW != 0, local: failed }
    }
}

impl Reading {
    #[inline]
    pub(crate) fn new(lane: Option<&'static Lane>, ticket: Ticket, slow: bool) -> Self {
        Self { lane, right: Right::new(ticket, slow) }
    }

    /// Takes it out while the inner body runs.
    #[inline]
    pub(crate) fn run(&mut self) -> Running {
        Running { lane: self.lane.take(), right: self.right }
    }

    /// The inner body has come back, and goes on.
    #[inline]
    pub(crate) fn go_on(&mut self, mut running: Running) {
        self.lane = running.lane.take();
    }
}

impl Running {
    /// The body has ended.
    #[inline]
    pub(crate) fn end(mut self) {
        let (lane, right) = (self.lane.take(), self.right);
        // No circuit ever stands like a slow call.
        if let Some(lane) = lane
            && !lane.count(Ticket(right.0), || lane.now())
        {
            ended(lane, right);
        }
    }
}

impl Drop for Running {
    /// The body broke.
    #[inline]
    fn drop(&mut self) {
        if let Some(lane) = self.lane {
            broke(lane, self.right);
        }
    }
}

impl Drop for Reading {
    #[inline]
    fn drop(&mut self) {
        // Nearly always it was judged before.
        if let Some(lane) = self.lane {
            dropped(lane, self.right);
        }
    }
}

#[cold]
#[inline(never)]
fn ended(lane: &Lane, right: Right) {
    lane.settle(right.ticket(), Some(right.sample(false)), None);
}

#[cold]
#[inline(never)]
fn dropped(lane: &Lane, right: Right) {
    let Some(circuit) = lane.circuit(right.ticket()) else { return };
    let sample = match circuit.rules().early_drop {
        Verdict::Success => Some(right.sample(false)),
        Verdict::Failure => Some(right.sample(true)),
        Verdict::Ignore => None,
    };
    circuit.settle(right.ticket(), sample, None);
}

#[cold]
#[inline(never)]
fn broke(lane: &Lane, right: Right) {
    lane.settle(right.ticket(), Some(right.sample(true)), None);
}
