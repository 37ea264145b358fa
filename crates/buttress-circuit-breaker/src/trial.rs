use std::{mem, sync::Arc};

use buttress_core::Problem;
use http::{Response, header::CONTENT_TYPE};
use http_body::Body;

use crate::{
    Circuit, JudgeAt, Verdict,
    entry::Ticket,
    lane::Lane,
    rules::Rules,
    window::{Nanos, Sample},
};

/// A call that was let in, trial or not, until it is judged. Dropped before that, it gives its place back.
#[derive(Debug, Default)]
pub(crate) struct Permit {
    /// `None` once it is judged, and where nothing is counted.
    lane: Option<Arc<Lane>>,
    ticket: Ticket,
    stage: Stage,
}

/// When a call began, in nanoseconds, above two bits that say how far it is: a permit of nothing but words is cheap to move.
#[derive(Clone, Copy, Debug, Default)]
struct Stage(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet.
    Waiting,
    /// The same, and there will be no body.
    WaitingForHead,
    /// A head that says success.
    Reading { slow: bool },
}

impl Stage {
    #[inline]
    fn new(began: Nanos, reads_no_body: bool) -> Self {
        // For 146 years.
        Self(began << 2 | u64::from(reads_no_body))
    }

    #[inline]
    fn began(self) -> Nanos {
        self.0 >> 2
    }

    #[inline]
    fn phase(self) -> Phase {
        match self.0 & 3 {
            0 => Phase::Waiting,
            1 => Phase::WaitingForHead,
            2 => Phase::Reading { slow: false },
            _ => Phase::Reading { slow: true },
        }
    }

    #[inline]
    fn was_slow(self) -> bool {
        self.0 & 3 == 3
    }

    #[inline]
    fn read(&mut self, slow: bool) {
        self.0 = self.0 & !3 | 2 | u64::from(slow);
    }
}

/// A part of the inner service is running. If this is dropped by its panic, the call has failed (CBK-9).
pub(crate) struct Watched<'a>(&'a mut Permit);

impl Permit {
    #[inline]
    pub(crate) fn new(circuit: &Circuit, ticket: Ticket, reads_no_body: bool) -> Self {
        let lane = circuit.lane();
        let began = if lane.shared().rules().times_calls() { lane.shared().now() } else { 0 };
        Self { lane: Some(lane.clone()), ticket, stage: Stage::new(began, reads_no_body) }
    }

    /// Moves it into the body, and leaves nothing to judge.
    #[inline]
    pub(crate) fn hand_on(&mut self) -> Self {
        Self { lane: self.lane.take(), ticket: self.ticket, stage: self.stage }
    }

    /// Looks after a part of the inner service while it runs.
    #[inline]
    pub(crate) fn watch(&mut self) -> Watched<'_> {
        Watched(self)
    }

    /// Judges by the head of an answer, or leaves it to the body.
    #[inline]
    pub(crate) fn answer<B: Body>(&mut self, verdict: Option<Verdict>, answer: &Response<B>) {
        let Some(lane) = &self.lane else { return };
        let (shared, rules) = (lane.shared(), lane.shared().rules());
        let (mut now, mut slow) = (None, false);
        if let Some(limit) = rules.slow_after {
            let at = shared.now();
            (now, slow) = (Some(at), self.lasted(at) > limit);
        }
        match verdict.unwrap_or_else(|| by_status(rules, answer)) {
            Verdict::Success if self.goes_on(rules, answer) => self.stage.read(slow),
            Verdict::Success => self.succeed(slow, now),
            Verdict::Failure => self.settle(Some(Sample { failed: true, slow, local: false }), now),
            Verdict::Ignore => self.settle(None, now),
        }
    }

    /// Judges by an error that came in place of an answer.
    #[cold]
    pub(crate) fn error(&mut self, verdict: Option<Verdict>) {
        let Some(lane) = &self.lane else { return };
        let now = Some(lane.shared().now());
        let slow = self.is_slow(lane.shared().rules(), now);
        match verdict.unwrap_or(Verdict::Failure) {
            Verdict::Success => self.succeed(slow, now),
            Verdict::Failure => self.settle(Some(Sample { failed: true, slow, local: true }), now),
            Verdict::Ignore => self.settle(None, now),
        }
    }

    /// The body has ended.
    #[inline]
    pub(crate) fn end(&mut self) {
        self.succeed(self.stage.was_slow(), None);
    }

    /// The body broke, or a part of the inner service panicked.
    #[cold]
    pub(crate) fn fail(&mut self) {
        let Some(lane) = &self.lane else { return };
        let slow = match self.stage.phase() {
            Phase::Waiting | Phase::WaitingForHead => self.is_slow(lane.shared().rules(), Some(lane.shared().now())),
            Phase::Reading { slow } => slow,
        };
        self.settle(Some(Sample { failed: true, slow, local: true }), None);
    }

    #[inline]
    fn succeed(&mut self, slow: bool, now: Option<Nanos>) {
        if slow {
            self.settle(Some(Sample { slow, ..Sample::SUCCESS }), now);
        } else if let Some(lane) = self.lane.take() {
            lane.shared().succeed(self.ticket, now);
        }
    }

    #[cold]
    fn settle(&mut self, sample: Option<Sample>, now: Option<Nanos>) {
        if let Some(lane) = self.lane.take() {
            lane.shared().settle(self.ticket, sample, now);
        }
    }

    fn lasted(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.stage.began())
    }

    #[inline]
    fn is_slow(&self, rules: &Rules, now: Option<Nanos>) -> bool {
        rules.slow_after.zip(now).is_some_and(|(limit, now)| self.lasted(now) > limit)
    }

    /// Whether the body of an answer has something to say yet.
    #[inline]
    fn goes_on<B: Body>(&self, rules: &Rules, answer: &Response<B>) -> bool {
        self.stage.phase() != Phase::WaitingForHead
            && !answer.body().is_end_stream()
            && judged_at(rules, answer) == JudgeAt::End
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        // Nearly always it was judged before.
        if self.lane.is_some() {
            self.give_up();
        }
    }
}

impl Permit {
    /// The call was dropped.
    #[cold]
    fn give_up(&mut self) {
        let Some(lane) = &self.lane else { return };
        let (shared, rules) = (lane.shared(), lane.shared().rules());
        match self.stage.phase() {
            // Cancelled: by the time it had waited.
            Phase::Waiting | Phase::WaitingForHead => {
                let now = shared.now();
                let failed = rules.cancelled_after.is_some_and(|after| self.lasted(now) >= after);
                let slow = self.is_slow(rules, Some(now));
                self.settle(failed.then_some(Sample { failed, slow, local: true }), Some(now));
            }
            Phase::Reading { slow } => match rules.early_drop {
                Verdict::Success => self.succeed(slow, None),
                Verdict::Failure => self.settle(Some(Sample { failed: true, slow, local: true }), None),
                Verdict::Ignore => self.settle(None, None),
            },
        }
    }
}

#[inline]
fn by_status<B>(rules: &Rules, answer: &Response<B>) -> Verdict {
    let extensions = answer.extensions();
    // What a layer of our own answered says nothing about the service behind it.
    let own = || extensions.get::<Problem>().is_some_and(|problem| problem.layer().is_some());
    if !extensions.is_empty() && own() { Verdict::Ignore } else { rules.statuses.verdict(answer.status()) }
}

#[inline]
fn judged_at<B: Body>(rules: &Rules, answer: &Response<B>) -> JudgeAt {
    // No event stream knows its length: most answers need not be asked for their type.
    let is_stream = || {
        let kind = answer.headers().get(CONTENT_TYPE);
        kind.is_some_and(|kind| starts_with_ignoring_case(kind.as_bytes(), b"text/event-stream"))
    };
    let may_stream = rules.bodies != rules.event_streams && answer.body().size_hint().exact().is_none();
    if may_stream && is_stream() { rules.event_streams } else { rules.bodies }
}

fn starts_with_ignoring_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

impl Watched<'_> {
    /// It did not panic.
    #[inline]
    pub(crate) fn went_well(self) {
        mem::forget(self);
    }
}

impl Drop for Watched<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.fail();
    }
}
