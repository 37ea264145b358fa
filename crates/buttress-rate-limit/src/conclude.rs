//! From what a store decided, or failed to, to what the caller is told.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::{
    Decision, Fields, Head, MOST_LIMITS, RateStore, Reason, Wait,
    fields::{Told, Written},
    gather::{Gathered, Term},
    judge::Judge,
    key::OwnedKey,
    refusal::{Refusal, Why},
    telemetry,
    undecided::Undecided,
    value::FEW,
    which::Which,
};

impl<St: RateStore> Judge<'_, St> {
    /// Reads what the store said, or does without it.
    pub(crate) fn read(
        &self,
        outcome: Result<Decision, Undecided<St::Error>>,
        terms: &[Term],
        key: impl Fn(usize) -> Option<OwnedKey>,
        told: &[Told],
        head: &Head<'_>,
    ) -> Result<Written, Box<Refusal>> {
        match outcome {
            Ok(decision) => self.conclude(&decision, terms, told, head),
            Err(why) => {
                telemetry::undecided(&why);
                match self.core.without_store(terms, key) {
                    Some((terms, decision)) => self.conclude(&decision, &terms, told, head),
                    None => {
                        let written = Written::default();
                        Err(Box::new(Refusal::new(Why::Store, &[], written, head, self.settings)))
                    }
                }
            }
        }
    }

    /// The fields of the answer, or the refusal.
    fn conclude(
        &self,
        decision: &Decision,
        terms: &[Term],
        told: &[Told],
        head: &Head<'_>,
    ) -> Result<Written, Box<Refusal>> {
        let mut found = Found::default();
        for (i, term) in terms.iter().enumerate().filter(|(i, _)| !decision.fits(*i)) {
            let index = usize::from(term.index);
            let wait = decision.standing(i, term.quota).wait(term.cost);
            found.add(index, self.core.limits[index].limit.reason, wait, term.enforced);
        }
        if found.shadow != Which::NONE {
            self.core.tell(found.shadow, true, None, self.settings);
        }
        let written = self.write(decision, terms, told);
        if decision.granted() {
            return Ok(written);
        }
        let wait = (!found.never).then(|| self.with_jitter(found.wait));
        let names = self.core.tell(found.violated, false, wait, self.settings);
        let reason = found.reason.unwrap_or(Reason::Quota);
        let why = wait.map_or(Why::Never, |wait| Why::Limits { reason, wait });
        Err(Box::new(Refusal::new(why, names.list(), written, head, self.settings)))
    }

    /// The fields of an answer: of rates first, then of places.
    fn write(&self, decision: &Decision, terms: &[Term], places: &[Told]) -> Written {
        if self.settings.fields == Fields::None {
            return Written::default();
        }
        let mut list = [Told::concurrent("", 0, 0); MOST_LIMITS];
        let rates = terms.iter().enumerate().map(|(i, term)| self.told(decision, i, *term));
        list.iter_mut().zip(rates.chain(places.iter().copied())).for_each(|(place, told)| *place = told);
        let told = &list[..terms.len() + places.len()];
        // A limit that was left out makes another policy.
        let known = self.core.policy.as_ref().filter(|_| told.len() == self.core.limits.len());
        Written::of(self.settings.fields, known, told)
    }

    /// The same after a decision for which there is nothing else to say.
    #[inline]
    pub(crate) fn write_simple(
        &self,
        decision: &Decision,
        gathered: &Gathered<'_, St::Limit>,
        places: &[Told],
    ) -> Written {
        let (asks, limits) = (&gathered.asks, &self.core.limits);
        match &self.core.policy {
            // As many asks as limits: one about each, in their order.
            Some(policy)
                if asks.len() == limits.len() && limits.len() <= FEW && self.settings.fields == Fields::Draft =>
            {
                let standings = asks.iter().zip(limits).enumerate().rev();
                Written::few(
                    policy.clone(),
                    standings.map(|(i, (ask, armed))| (&armed.name, decision.standing(i, ask.quota))),
                )
            }
            _ => {
                let (terms, len) = gathered.terms();
                self.write(decision, &terms[..len], places)
            }
        }
    }

    #[inline]
    fn told(&self, decision: &Decision, i: usize, term: Term) -> Told {
        let standing = decision.standing(i, term.quota);
        let wait = if decision.fits(i) { Wait::No } else { standing.wait(term.cost) };
        Told::rate(self.core.limits[usize::from(term.index)].limit.name, term.quota, &standing, wait)
    }

    /// So that those who were refused together do not come back together (RLM-17).
    pub(crate) fn with_jitter(&self, wait: Duration) -> Duration {
        match u64::try_from(self.settings.jitter.as_nanos()).unwrap_or(u64::MAX) {
            0 => wait,
            // Each one hashes with other random numbers.
            most => wait + Duration::from_nanos(RandomState::new().hash_one(wait) % most),
        }
    }
}

/// What does not fit.
#[derive(Default)]
struct Found {
    violated: Which,
    shadow: Which,
    /// Of the first that is violated.
    reason: Option<Reason>,
    /// The longest.
    wait: Duration,
    /// Whether no wait helps.
    never: bool,
}

impl Found {
    fn add(&mut self, index: usize, reason: Reason, wait: Wait, enforced: bool) {
        if !enforced {
            self.shadow.add(index);
            return;
        }
        self.violated.add(index);
        self.reason.get_or_insert(reason);
        match wait {
            Wait::Never => self.never = true,
            Wait::For(time) => self.wait = self.wait.max(time),
            // It has come back since the store looked.
            Wait::No => {}
        }
    }
}
