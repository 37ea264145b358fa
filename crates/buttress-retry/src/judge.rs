//! What comes of a try: another one, and when, or none, and why.

use std::time::Duration;

use buttress_core::{CorrelationId, Problem};
use tokio::time::Instant;

use crate::{
    Cause, GaveUp, Outcome, Policy, Repeat, Retrying, Verdict, Why,
    call::Call,
    decide::{Facts, Next},
    random::within,
};

impl<S, P, ReqB: http_body::Body> Call<S, P, ReqB> {
    /// How long until another try, if there is one.
    pub(crate) fn next<E>(&mut self, outcome: &Outcome<'_, E>) -> Option<Duration>
    where
        P: Policy<E>,
    {
        let verdict = self.settings.policy.judge(outcome);
        self.after(verdict, outcome)
    }

    /// The same, after a verdict.
    pub(crate) fn after<E>(&mut self, verdict: Verdict, outcome: &Outcome<'_, E>) -> Option<Duration>
    where
        P: Policy<E>,
    {
        if verdict == Verdict::Final {
            return None;
        }
        let asked = self.settings.policy.delay(outcome);
        let facts = self.facts(verdict, asked);
        let next = self.pay(facts);
        self.given_back |= verdict == Verdict::Unprocessed;
        self.tell(Cause::of(outcome), next)
    }

    fn facts(&mut self, verdict: Verdict, asked: Option<Duration>) -> Facts {
        let common = &self.settings.common;
        let (tries, most) = (self.attempt.number(), common.attempts.get());
        let spread = asked.map(|asked| (asked / 2).min(common.backoff.cap())).unwrap_or_default();
        let (repeat, body) = match &mut self.kept {
            Ok(kept) => (kept.repeat, kept.keep.check()),
            Err(sent) => (Repeat::Never, Err(sent.why)),
        };
        Facts {
            verdict,
            repeat,
            tries,
            most,
            body,
            left: self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())),
            longest: common.longest_wait,
            asked,
            backoff: common.wait(verdict == Verdict::Throttled, tries, self.waited),
            spread: if spread.is_zero() { spread } else { within(spread, common.random.draw()) },
            given_back: self.given_back,
        }
    }

    /// The last thing that is asked for, so that nothing is taken for a try that does not come.
    fn pay(&self, facts: Facts) -> Next {
        let next = facts.next();
        let Next::Again { free: false, .. } = next else { return next };
        let budget = self.kept.as_ref().ok().and_then(|kept| kept.budget.as_ref());
        if self.settings.common.take(budget) { next } else { Next::HandOn(Some(Why::Budget)) }
    }

    fn tell(&mut self, cause: Cause, next: Next) -> Option<Duration> {
        let (common, failed) = (&self.settings.common, self.attempt);
        match (next, &self.kept) {
            (Next::Again { delay, .. }, Ok(kept)) => {
                common.tell_retry(&Retrying { failed, cause, delay }, kept.keep.head().extras());
                self.waited = delay;
                // One that does not come to be sent counts as well.
                self.attempt = failed.next();
                Some(delay)
            }
            // Nobody expected anything else.
            (Next::HandOn(Some(Why::Unrepeatable)), Err(_)) if cause != Cause::TimedOut => None,
            (Next::HandOn(Some(why)), _) => {
                common.tell_give_up(&GaveUp { failed, cause, why }, self.id());
                None
            }
            (Next::HandOn(None) | Next::Again { .. }, _) => None,
        }
    }

    pub(crate) fn id(&self) -> Option<&CorrelationId> {
        match &self.kept {
            Ok(kept) => kept.keep.head().extras().id(),
            Err(sent) => sent.id.as_ref(),
        }
    }
}

impl Cause {
    fn of<E>(outcome: &Outcome<'_, E>) -> Self {
        match outcome {
            Outcome::Answer(answer) => {
                let layer = answer.extensions.get::<Problem>().and_then(Problem::layer);
                layer.map_or(Self::Status(answer.status), |layer| Self::Refused(layer, answer.status))
            }
            Outcome::Error(_) => Self::Error,
            Outcome::TimedOut => Self::TimedOut,
        }
    }
}
