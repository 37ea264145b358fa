use std::{mem, sync::Arc};

use buttress_core::Problem;
use http::{Response, header::CONTENT_TYPE};
use http_body::Body;

use crate::{
    Circuit, JudgeAt, Verdict,
    circuit::Ticket,
    lane::Lane,
    rules::Rules,
    shared::Shared,
    window::{Nanos, Sample},
};

/// A call that was let in, trial or not, until it is judged. Dropped before that, it gives its place back.
#[derive(Debug, Default)]
pub(crate) struct Permit(Option<Running>);

#[derive(Debug)]
struct Running {
    lane: Arc<Lane>,
    ticket: Ticket,
    /// Zero, if nothing depends on it.
    began: Nanos,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing has come yet.
    Waiting { reads_no_body: bool },
    /// A head that says success.
    Reading { slow: bool },
}

/// A part of the inner service is running. If this is dropped by its panic, the call has failed (CBK-9).
pub(crate) struct Watched<'a>(&'a mut Permit);

impl Permit {
    #[inline]
    pub(crate) fn new(circuit: &Circuit, ticket: Ticket, reads_no_body: bool) -> Self {
        let (shared, lane) = (circuit.shared(), circuit.lane());
        let began = if shared.rules().times_calls() { shared.now() } else { 0 };
        Self(Some(Running { lane: lane.clone(), ticket, began, phase: Phase::Waiting { reads_no_body } }))
    }

    /// Looks after a part of the inner service while it runs.
    #[inline]
    pub(crate) fn watch(&mut self) -> Watched<'_> {
        Watched(self)
    }

    /// Judges by the head of an answer, or leaves it to the body.
    #[inline]
    pub(crate) fn answer<B: Body>(&mut self, verdict: Option<Verdict>, answer: &Response<B>) {
        let Some(running) = &mut self.0 else { return };
        let shared = running.lane.shared();
        let now = shared.rules().slow_after.map(|_| shared.now());
        let slow = running.is_slow(now);
        match verdict.unwrap_or_else(|| by_status(shared.rules(), answer)) {
            Verdict::Success if running.goes_on(answer) => running.phase = Phase::Reading { slow },
            Verdict::Success => self.settle(Some(Sample { slow, ..Sample::SUCCESS }), now),
            Verdict::Failure => self.settle(Some(Sample { failed: true, slow, local: false }), now),
            Verdict::Ignore => self.settle(None, now),
        }
    }

    /// Judges by an error that came in place of an answer.
    pub(crate) fn error(&mut self, verdict: Option<Verdict>) {
        let Some(running) = &self.0 else { return };
        let now = running.shared().now();
        let slow = running.is_slow(Some(now));
        let sample = match verdict.unwrap_or(Verdict::Failure) {
            Verdict::Success => Some(Sample { slow, ..Sample::SUCCESS }),
            Verdict::Failure => Some(Sample { failed: true, slow, local: true }),
            Verdict::Ignore => None,
        };
        self.settle(sample, Some(now));
    }

    /// The body has ended.
    #[inline]
    pub(crate) fn end(&mut self) {
        let Some(running) = &self.0 else { return };
        self.settle(Some(Sample { slow: running.was_slow(), ..Sample::SUCCESS }), None);
    }

    /// The body broke, or a part of the inner service panicked.
    pub(crate) fn fail(&mut self) {
        let Some(running) = &self.0 else { return };
        let slow = match running.phase {
            Phase::Waiting { .. } => running.is_slow(Some(running.shared().now())),
            Phase::Reading { slow } => slow,
        };
        self.settle(Some(Sample { failed: true, slow, local: true }), None);
    }

    #[inline]
    fn settle(&mut self, sample: Option<Sample>, now: Option<Nanos>) {
        if let Some(running) = self.0.take() {
            running.shared().settle(running.ticket, sample, now);
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        // Nearly always it was judged before.
        if self.0.is_some() {
            self.give_up();
        }
    }
}

impl Permit {
    /// The call was dropped.
    #[cold]
    fn give_up(&mut self) {
        let Some(running) = &self.0 else { return };
        let rules = running.shared().rules();
        match running.phase {
            // Cancelled: by the time it had waited.
            Phase::Waiting { .. } => {
                let now = running.shared().now();
                let failed = rules.cancelled_after.is_some_and(|after| running.lasted(now) >= after);
                let slow = running.is_slow(Some(now));
                self.settle(failed.then_some(Sample { failed, slow, local: true }), Some(now));
            }
            Phase::Reading { slow } => {
                let sample = match rules.early_drop {
                    Verdict::Success => Some(Sample { slow, ..Sample::SUCCESS }),
                    Verdict::Failure => Some(Sample { failed: true, slow, local: true }),
                    Verdict::Ignore => None,
                };
                self.settle(sample, None);
            }
        }
    }
}

impl Running {
    fn shared(&self) -> &Shared {
        self.lane.shared()
    }

    fn lasted(&self, now: Nanos) -> Nanos {
        now.saturating_sub(self.began)
    }

    fn is_slow(&self, now: Option<Nanos>) -> bool {
        let limit = self.shared().rules().slow_after;
        limit.zip(now).is_some_and(|(limit, now)| self.lasted(now) > limit)
    }

    fn was_slow(&self) -> bool {
        matches!(self.phase, Phase::Reading { slow: true })
    }

    /// Whether the body of an answer has something to say yet.
    fn goes_on<B: Body>(&self, answer: &Response<B>) -> bool {
        let rules = self.shared().rules();
        let reads_no_body = matches!(self.phase, Phase::Waiting { reads_no_body: true });
        !reads_no_body && !answer.body().is_end_stream() && judged_at(rules, answer) == JudgeAt::End
    }
}

fn by_status<B>(rules: &Rules, answer: &Response<B>) -> Verdict {
    // What a layer of our own answered says nothing about the service behind it.
    let own = answer.extensions().get::<Problem>().is_some_and(|problem| problem.layer().is_some());
    if own { Verdict::Ignore } else { rules.statuses.verdict(answer.status()) }
}

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
