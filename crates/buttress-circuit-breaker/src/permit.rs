use buttress_core::Problem;
use http::{Method, Response, header::CONTENT_TYPE, response::Parts};
use http_body::Body;

use crate::{
    JudgeAt, Verdict,
    entry::Ticket,
    lane::Lane,
    reading::Reading,
    rules::{Rules, Usual},
    window::{Nanos, Sample},
};

/// A call, trial or not, until the head of its answer. Dropped, it gives its place back.
///
/// What is not the usual case takes a permit apart and goes elsewhere with the pieces: a permit is not much code then,
/// and whatever holds one can be kept in registers.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    /// `None` once it is judged, and where nothing is counted.
    lane: Option<&'static Lane>,
    ticket: Ticket,
    start: Start,
}

/// A permit while the inner service runs. If that panics, this is dropped and says so (CBK-9).
#[derive(Debug, Default)]
pub(crate) struct Running {
    lane: Option<&'static Lane>,
    ticket: Ticket,
}

/// When a call began, in nanoseconds, above three bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Start(u64);

/// There will be no body.
const NO_BODY: u64 = 1;
/// It is known when it began.
const TIMED: u64 = 2;
/// It was polled, and the answer was not there.
const WAITED: u64 = 4;

const BITS: u32 = 3;

impl Start {
    /// A call that needs no lock to be let in, if the circuit is closed.
    #[inline]
    pub(crate) fn if_closed(lane: &Lane, standing: Ticket, method: &Method) -> Option<Self> {
        if standing.is_plain() {
            return Some(Self::untimed(method));
        }
        standing.is_closed().then(|| Self::new(lane, standing, method))
    }

    /// A call that is let in now.
    #[inline]
    fn new(lane: &Lane, ticket: Ticket, method: &Method) -> Self {
        let start = Self::untimed(method);
        if ticket.is_timed() { start.at(lane.now()) } else { start }
    }

    #[inline]
    fn untimed(method: &Method) -> Self {
        Self(if method == Method::HEAD { NO_BODY } else { 0 })
    }

    #[inline]
    fn at(self, began: Nanos) -> Self {
        Self(began << BITS | TIMED | self.0)
    }

    #[inline]
    fn is(self, bit: u64) -> bool {
        self.0 & bit != 0
    }

    /// How long it has lasted: true of every call that takes less than thirty years. It is less than nothing if the clock
    /// went back, as it does where a test has paused it.
    #[inline]
    fn lasted(self, now: Nanos) -> i64 {
        let began = self.0 >> BITS << BITS;
        if self.is(TIMED) { (now << BITS).wrapping_sub(began).cast_signed() >> BITS } else { 0 }
    }

    #[inline]
    fn is_slow(self, lane: &Lane, now: Nanos) -> bool {
        self.is(TIMED) && lane.is_slow(self.lasted(now))
    }
}

impl Running {
    /// A call is let in, and made.
    #[inline]
    pub(crate) fn begin(&mut self, lane: &'static Lane, ticket: Ticket) {
        // None is on, to be dropped.
        (self.lane, self.ticket) = (Some(lane), ticket);
    }

    /// The inner service has come back.
    #[inline]
    pub(crate) fn come_back(&mut self, start: Start) -> Permit {
        Permit { lane: self.lane.take(), ticket: self.ticket, start }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.lane.is_some()
    }
}

impl Drop for Running {
    #[inline]
    fn drop(&mut self) {
        if let Some(lane) = self.lane {
            panicked(lane, self.ticket);
        }
    }
}

impl Permit {
    /// Lets a call in.
    pub(crate) fn new(lane: &'static Lane, ticket: Ticket, method: &Method) -> Self {
        Self { lane: Some(lane), ticket, start: Start::new(lane, ticket, method) }
    }

    /// Takes it out while the inner service runs.
    #[inline]
    pub(crate) fn run(&mut self) -> Running {
        Running { lane: self.lane.take(), ticket: self.ticket }
    }

    #[inline]
    pub(crate) fn start(&self) -> Start {
        self.start
    }

    /// What the rules say of most calls.
    #[inline]
    pub(crate) fn usual(&self) -> Usual {
        self.lane.map_or(Usual::NOTHING, Lane::usual)
    }

    /// The answer is not there yet. It is known from now on for how long: most calls need no clock before.
    #[inline]
    pub(crate) fn wait(mut self, usual: Usual) -> Self {
        if let Some(lane) = self.lane.filter(|_| usual.is(Usual::CANCELLED) && !self.start.is(TIMED)) {
            self.start = self.start.at(lane.now());
        }
        self.start.0 |= WAITED;
        self
    }

    /// Leaves it to the body, if the head of an answer says success and nothing more has to be known: the usual case.
    ///
    /// It runs no code of others but the hints of the body, so that the answer need not lie in memory meanwhile and is
    /// moved once.
    #[inline]
    pub(crate) fn read_on<B: Body>(
        &mut self,
        usual: Usual,
        verdict: Option<Verdict>,
        answer: &Response<B>,
    ) -> Option<Reading> {
        let plain = verdict.is_none()
            && usual.is_plain_success(answer.status())
            && answer.extensions().is_empty()
            && !self.start.is(NO_BODY)
            && !answer.body().is_end_stream()
            && !may_stream(usual, answer.body());
        plain.then(|| Reading::new(self.lane.take(), self.ticket))
    }

    /// Judges by the head of an answer, or leaves it to the body.
    #[inline]
    pub(crate) fn answer<B: Body>(mut self, verdict: Option<Verdict>, head: &Parts, body: &B) -> Reading {
        let Some(lane) = self.lane else { return Reading::default() };
        let now = self.ticket.is_timed().then(|| lane.now());
        let slow = now.is_some_and(|now| self.start.is_slow(lane, now));
        let (verdict, at) = judge(lane, self.ticket, verdict, head, body);
        let ends = at == JudgeAt::Head || self.start.is(NO_BODY) || body.is_end_stream();
        // Nothing panics from here on.
        self.lane = None;
        match verdict {
            Verdict::Success if !ends => return Reading::new(Some(lane), self.ticket.with_slow(slow)),
            Verdict::Success if !slow && lane.count(self.ticket) => {}
            Verdict::Success => lane.settle(self.ticket, Some(Sample { slow, ..Sample::SUCCESS }), now),
            Verdict::Failure => lane.settle(self.ticket, Some(Sample { failed: true, slow, local: false }), now),
            Verdict::Ignore => lane.settle(self.ticket, None, now),
        }
        Reading::default()
    }

    /// Judges by an error that came in place of an answer.
    #[inline]
    pub(crate) fn error(mut self, verdict: Option<Verdict>) {
        if let Some(lane) = self.lane.take() {
            error(lane, self.ticket, self.start, verdict.unwrap_or(Verdict::Failure));
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        // Nearly always it was judged before.
        if let Some(lane) = self.lane {
            dropped(lane, self.ticket, self.start);
        }
    }
}

/// An error came in place of an answer.
#[cold]
#[inline(never)]
fn error(lane: &Lane, ticket: Ticket, start: Start, verdict: Verdict) {
    let now = lane.now();
    let slow = start.is_slow(lane, now);
    let sample = match verdict {
        Verdict::Success => Some(Sample { slow, ..Sample::SUCCESS }),
        Verdict::Failure => Some(Sample { failed: true, slow, local: true }),
        Verdict::Ignore => None,
    };
    lane.settle(ticket, sample, Some(now));
}

/// Nobody knows how long it took.
#[cold]
#[inline(never)]
fn panicked(lane: &Lane, ticket: Ticket) {
    lane.settle(ticket, Some(Sample { failed: true, slow: false, local: true }), None);
}

/// The call was dropped: what it is goes by the time it had waited.
#[cold]
#[inline(never)]
fn dropped(lane: &Lane, ticket: Ticket, start: Start) {
    let Some(circuit) = lane.circuit(ticket) else { return };
    let now = lane.now();
    let waited = if start.is(WAITED) { start.lasted(now).max(0).cast_unsigned() } else { 0 };
    let failed = circuit.rules().cancelled_after.is_some_and(|after| waited >= after);
    let slow = start.is_slow(lane, now);
    circuit.settle(ticket, failed.then_some(Sample { failed, slow, local: true }), Some(now));
}

/// What a head says, and whether the end of the body has a say.
#[inline]
fn judge<B: Body>(lane: &Lane, ticket: Ticket, verdict: Option<Verdict>, head: &Parts, body: &B) -> (Verdict, JudgeAt) {
    let usual = lane.usual();
    if verdict.is_none() && usual.is_success(head.status) && head.extensions.is_empty() && !may_stream(usual, body) {
        let at = if usual.is(Usual::BY_HEAD) { JudgeAt::Head } else { JudgeAt::End };
        return (Verdict::Success, at);
    }
    // Once the circuit is gone, nobody asks.
    let Some(circuit) = lane.circuit(ticket) else { return (Verdict::Ignore, JudgeAt::Head) };
    let rules = circuit.rules();
    let at = if may_stream(usual, body) && is_stream(head) { rules.event_streams } else { rules.bodies };
    (verdict.unwrap_or_else(|| by_status(rules, head)), at)
}

fn by_status(rules: &Rules, head: &Parts) -> Verdict {
    // What a layer of our own answered says nothing about the service behind it.
    let own = head.extensions.get::<Problem>().is_some_and(|problem| problem.layer().is_some());
    if own { Verdict::Ignore } else { rules.statuses.verdict(head.status) }
}

/// No event stream knows its length: most answers need not be asked for their type.
#[inline]
fn may_stream<B: Body>(usual: Usual, body: &B) -> bool {
    usual.is(Usual::STREAMS) && body.size_hint().exact().is_none()
}

fn is_stream(head: &Parts) -> bool {
    let kind = head.headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| starts_with_ignoring_case(kind.as_bytes(), b"text/event-stream"))
}

fn starts_with_ignoring_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}
