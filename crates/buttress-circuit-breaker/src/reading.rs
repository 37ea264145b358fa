use crate::{Verdict, entry::Ticket, lane::Lane, window::Sample};

/// A call whose head said success, until the end of its body. Dropped before that, it gives its place back.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// `None` once it is judged, and where the body says nothing.
    lane: Option<&'static Lane>,
    ticket: Ticket,
}

/// The same while the inner body runs. If that panics, this is dropped and says so (CBK-9).
#[derive(Debug)]
pub(crate) struct Running {
    lane: Option<&'static Lane>,
    ticket: Ticket,
}

impl Reading {
    #[inline]
    pub(crate) fn new(lane: Option<&'static Lane>, ticket: Ticket) -> Self {
        Self { lane, ticket }
    }

    /// Takes it out while the inner body runs.
    #[inline]
    pub(crate) fn run(&mut self) -> Running {
        Running { lane: self.lane.take(), ticket: self.ticket }
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
        if let Some(lane) = self.lane.take()
            && !lane.count(self.ticket)
        {
            ended(lane, self.ticket);
        }
    }
}

impl Drop for Running {
    /// The body broke.
    #[inline]
    fn drop(&mut self) {
        if let Some(lane) = self.lane {
            broke(lane, self.ticket);
        }
    }
}

impl Drop for Reading {
    #[inline]
    fn drop(&mut self) {
        if let Some(lane) = self.lane {
            dropped(lane, self.ticket);
        }
    }
}

#[cold]
#[inline(never)]
fn ended(lane: &Lane, ticket: Ticket) {
    lane.settle(ticket, Some(sample(ticket, false)), None);
}

#[cold]
#[inline(never)]
fn broke(lane: &Lane, ticket: Ticket) {
    lane.settle(ticket, Some(sample(ticket, true)), None);
}

/// The body was dropped before its end.
#[cold]
#[inline(never)]
fn dropped(lane: &Lane, ticket: Ticket) {
    let Some(circuit) = lane.circuit(ticket) else { return };
    let sample = match circuit.rules().early_drop {
        Verdict::Success => Some(sample(ticket, false)),
        Verdict::Failure => Some(sample(ticket, true)),
        Verdict::Ignore => None,
    };
    circuit.settle(ticket, sample, None);
}

fn sample(ticket: Ticket, failed: bool) -> Sample {
    Sample { failed, slow: ticket.is_slow(), local: failed }
}
