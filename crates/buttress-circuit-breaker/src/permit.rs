use std::{mem, sync::Arc};

use buttress_core::Problem;
use http::{Method, Response, header::CONTENT_TYPE, response::Parts};
use http_body::Body;

use crate::{
    Circuit, JudgeAt, Verdict,
    entry::Ticket,
    lane::Lane,
    reading::Reading,
    rules::Rules,
    window::{Nanos, Sample},
};

/// A call, trial or not, until the head of its answer; before that, what a service holds for its next call. Dropped, it
/// gives its place back.
///
/// What is not the usual case takes a permit apart and goes elsewhere with the pieces: a permit is not much code then,
/// and whatever holds one can be kept in registers.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    /// `None` once it is judged, and where nothing is counted.
    lane: Option<Arc<Lane>>,
    ticket: Ticket,
    start: Start,
}

/// How far a call is, a bit each, below when it began, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Start(u64);

/// The service is ready for a call.
const READY: u64 = 1;
/// The next call will be refused.
const REFUSED: u64 = 2;
/// A call was let in.
const LET_IN: u64 = 4;
/// The inner service is running for it.
const RUNNING: u64 = 8;
/// There will be no body.
const NO_BODY: u64 = 16;
/// It is known when it began.
const TIMED: u64 = 32;

const BITS: u32 = 6;

impl Start {
    /// A call that is let in now.
    #[inline]
    fn new(lane: &Lane, method: &Method) -> Self {
        let start = Self(LET_IN | RUNNING | if method == Method::HEAD { NO_BODY } else { 0 });
        if lane.rules().slow_after.is_some() { start.at(lane.shared().now()) } else { start }
    }

    #[inline]
    fn at(self, began: Nanos) -> Self {
        Self(began << BITS | TIMED | self.0)
    }

    #[inline]
    fn is(self, bit: u64) -> bool {
        self.0 & bit != 0
    }

    /// How long it has lasted: true of every call that takes less than 9 years.
    #[inline]
    fn lasted(self, now: Nanos) -> Nanos {
        let began = self.0 >> BITS << BITS;
        if self.is(TIMED) { (now << BITS).wrapping_sub(began) >> BITS } else { 0 }
    }

    #[inline]
    fn is_slow(self, rules: &Rules, now: Nanos) -> bool {
        rules.slow_after.is_some_and(|limit| self.lasted(now) > limit)
    }
}

impl Permit {
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.start.is(READY)
    }

    /// A service is ready for its next call, which may be let in with this.
    #[inline]
    pub(crate) fn prepare(&mut self, circuit: &Circuit) {
        self.count_panic();
        // There is none to be dropped.
        mem::forget(self.lane.replace(circuit.lane().clone()));
        self.be_ready();
    }

    /// A service is ready for its next call, whose circuit nobody knows yet.
    #[inline]
    pub(crate) fn be_ready(&mut self) {
        self.start = Start(READY);
    }

    /// The next call will be refused.
    pub(crate) fn refuse(&mut self) {
        self.count_panic();
        self.start = Start(REFUSED);
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.start.is(REFUSED)
    }

    /// If the last call panicked, and somebody has caught that, it is here still.
    #[inline]
    fn count_panic(&mut self) {
        #[cold]
        #[inline(never)]
        fn count(permit: &mut Permit) {
            drop(mem::take(permit));
        }
        if self.lane.is_some() {
            count(self);
        }
    }

    /// Lets a call in if its circuit is known and closed. It takes no lock.
    #[inline]
    pub(crate) fn let_in_if_closed(&mut self, method: &Method) -> bool {
        let Some(lane) = self.lane.as_ref().filter(|_| self.start.is(READY)) else { return false };
        let standing = lane.standing();
        if standing.is_closed() {
            (self.ticket, self.start) = (standing, Start::new(lane, method));
        }
        standing.is_closed()
    }

    /// Lets a call in.
    pub(crate) fn new(lane: &Arc<Lane>, ticket: Ticket, method: &Method) -> Self {
        Self { lane: Some(lane.clone()), ticket, start: Start::new(lane, method) }
    }

    /// Takes it out, once the inner service has come back from its call.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self { lane: self.lane.take(), ticket: self.ticket, start: Start(self.start.0 & !RUNNING) }
    }

    /// The inner service runs. If this is dropped or run again before that [came back](Self::came_back), it has panicked
    /// (CBK-9).
    #[inline]
    pub(crate) fn run(&mut self) {
        if self.start.is(RUNNING) {
            self.error(Some(Verdict::Failure));
        }
        self.start.0 |= RUNNING;
    }

    #[inline]
    pub(crate) fn came_back(&mut self) {
        self.start.0 &= !RUNNING;
    }

    /// The answer is not there yet. It is known from now on for how long: most calls need no clock before.
    #[inline]
    pub(crate) fn wait(&mut self) {
        if let Some(lane) = self.lane.as_ref().filter(|_| !self.start.is(TIMED))
            && lane.rules().cancelled_after.is_some()
        {
            self.start = self.start.at(lane.shared().now());
        }
    }

    /// Leaves it to the body, if the head of an answer says success and nothing more has to be known: the usual case.
    ///
    /// It runs no code of others but the hints of the body, so that the answer need not lie in memory meanwhile and is
    /// moved once.
    #[inline]
    pub(crate) fn read_on<B: Body>(&mut self, verdict: Option<Verdict>, answer: &Response<B>) -> Option<Reading> {
        let Some(lane) = &self.lane else { return Some(Reading::default()) };
        let rules = lane.rules();
        let usual = verdict.is_none()
            && rules.usual
            && answer.extensions().is_empty()
            && rules.statuses.verdict(answer.status()) == Verdict::Success
            && !self.start.is(NO_BODY)
            && !answer.body().is_end_stream()
            && (rules.event_streams == JudgeAt::End || answer.body().size_hint().exact().is_some());
        if usual { self.lane.take().map(|lane| Reading::new(lane, self.ticket, false)) } else { None }
    }

    /// Judges by the head of an answer, or leaves it to the body.
    #[inline]
    pub(crate) fn answer<B: Body>(&mut self, verdict: Option<Verdict>, head: &Parts, body: &B) -> Reading {
        let Some(lane) = &self.lane else { return Reading::default() };
        let rules = lane.rules();
        let now = rules.slow_after.map(|_| lane.shared().now());
        let slow = now.is_some_and(|now| self.start.is_slow(rules, now));
        let verdict = verdict.unwrap_or_else(|| by_status(rules, head));
        let goes_on = verdict == Verdict::Success && self.goes_on(rules, head, body);
        let Some(lane) = self.lane.take() else { return Reading::default() };
        if goes_on {
            return Reading::new(lane, self.ticket, slow);
        }
        match verdict {
            Verdict::Success if !slow => lane.succeed(self.ticket, now),
            Verdict::Success => settle(lane, self.ticket, Some(Sample { slow, ..Sample::SUCCESS }), now),
            Verdict::Failure => settle(lane, self.ticket, Some(Sample { failed: true, slow, local: false }), now),
            Verdict::Ignore => settle(lane, self.ticket, None, now),
        }
        Reading::default()
    }

    /// Judges by an error that came in place of an answer.
    #[inline]
    pub(crate) fn error(&mut self, verdict: Option<Verdict>) {
        if let Some(lane) = self.lane.take() {
            error(lane, self.ticket, self.start, verdict.unwrap_or(Verdict::Failure));
        }
    }

    /// Whether the body of an answer has something to say yet.
    #[inline]
    fn goes_on<B: Body>(&self, rules: &Rules, head: &Parts, body: &B) -> bool {
        !self.start.is(NO_BODY) && !body.is_end_stream() && judged_at(rules, head, body) == JudgeAt::End
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        // Nearly always it was judged before.
        if let Some(lane) = self.lane.take() {
            dropped(lane, self.ticket, self.start);
        }
    }
}

#[cold]
#[inline(never)]
pub(crate) fn settle(lane: Arc<Lane>, ticket: Ticket, sample: Option<Sample>, now: Option<Nanos>) {
    lane.shared().settle(ticket, sample, now);
}

/// An error came in place of an answer, or a panic.
#[cold]
#[inline(never)]
fn error(lane: Arc<Lane>, ticket: Ticket, start: Start, verdict: Verdict) {
    let now = lane.shared().now();
    let slow = start.is_slow(lane.rules(), now);
    let sample = match verdict {
        Verdict::Success => Some(Sample { slow, ..Sample::SUCCESS }),
        Verdict::Failure => Some(Sample { failed: true, slow, local: true }),
        Verdict::Ignore => None,
    };
    settle(lane, ticket, sample, Some(now));
}

/// The call was dropped, if there was one: by its panic, or else what it is goes by the time it had waited.
#[cold]
#[inline(never)]
fn dropped(lane: Arc<Lane>, ticket: Ticket, start: Start) {
    if start.is(RUNNING) {
        // Nobody knows how long ago.
        return settle(lane, ticket, Some(Sample { failed: true, slow: false, local: true }), None);
    }
    if !start.is(LET_IN) {
        return;
    }
    let (now, rules) = (lane.shared().now(), lane.rules());
    let failed = rules.cancelled_after.is_some_and(|after| start.lasted(now) >= after);
    let slow = start.is_slow(rules, now);
    settle(lane, ticket, failed.then_some(Sample { failed, slow, local: true }), Some(now));
}

#[inline]
fn by_status(rules: &Rules, head: &Parts) -> Verdict {
    let extensions = &head.extensions;
    // What a layer of our own answered says nothing about the service behind it.
    let own = || extensions.get::<Problem>().is_some_and(|problem| problem.layer().is_some());
    if !extensions.is_empty() && own() { Verdict::Ignore } else { rules.statuses.verdict(head.status) }
}

#[inline]
fn judged_at<B: Body>(rules: &Rules, head: &Parts, body: &B) -> JudgeAt {
    // No event stream knows its length: most answers need not be asked for their type.
    let is_stream = || {
        let kind = head.headers.get(CONTENT_TYPE);
        kind.is_some_and(|kind| starts_with_ignoring_case(kind.as_bytes(), b"text/event-stream"))
    };
    let may_stream = rules.bodies != rules.event_streams && body.size_hint().exact().is_none();
    if may_stream && is_stream() { rules.event_streams } else { rules.bodies }
}

fn starts_with_ignoring_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}
