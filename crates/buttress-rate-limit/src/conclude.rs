//! From what a store decided, or failed to, to what the caller is told.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::{
    Decision, Fields, Head, MOST_LIMITS, RateStore, Wait,
    fields::{Left, Told, Written},
    gather::{Term, Terms},
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
        terms: &(impl Terms + ?Sized),
        key: impl Fn(usize) -> Option<OwnedKey>,
        places: &[Told],
        head: &Head<'_>,
    ) -> Result<Written, Refusal> {
        match outcome {
            Ok(decision) => self.conclude(&decision, terms, places, head),
            Err(why) => {
                telemetry::undecided(&why);
                match self.core.without_store(terms, key) {
                    Some((terms, decision)) => self.conclude(&decision, &terms[..], places, head),
                    None => Err(self.refusal(Why::Store, Written::default(), head)),
                }
            }
        }
    }

    /// The fields of the answer, or the refusal.
    fn conclude(
        &self,
        decision: &Decision,
        terms: &(impl Terms + ?Sized),
        places: &[Told],
        head: &Head<'_>,
    ) -> Result<Written, Refusal> {
        let found = Found::of(decision, terms);
        if found.shadow != Which::NONE {
            self.core.tell(found.shadow, true, None, self.settings);
        }
        let written = self.write(decision, terms, places);
        if decision.granted() {
            return Ok(written);
        }
        let wait = (!found.never).then(|| self.with_jitter(found.wait));
        self.core.tell(found.violated, false, wait, self.settings);
        let why = wait.map_or(Why::Never(found.violated), |wait| Why::Limits(found.violated, wait));
        Err(self.refusal(why, written, head))
    }

    /// The fields of an answer: of rates first, then of places.
    #[inline]
    pub(crate) fn write(&self, decision: &Decision, terms: &(impl Terms + ?Sized), places: &[Told]) -> Written {
        match (self.settings.fields, &self.core.policy) {
            (Fields::None, _) => Written::default(),
            // As many terms as limits: one of each, in their order.
            (Fields::Draft, Some(policy)) if terms.len() == self.core.limits.len() && terms.len() <= FEW => {
                let limits = self.core.limits.iter().enumerate().rev();
                let told = limits.map(|(i, armed)| (&armed.name, left(decision, i, terms.term(i))));
                Written::few(policy.clone(), told)
            }
            _ => self.write_all(decision, terms, places),
        }
    }

    fn write_all(&self, decision: &Decision, terms: &(impl Terms + ?Sized), places: &[Told]) -> Written {
        let mut list = [Told::concurrent("", 0, 0); MOST_LIMITS];
        let told = &mut list[..terms.len() + places.len()];
        let rates = terms.iter().enumerate().map(|(i, term)| self.told(decision, i, term));
        told.iter_mut().zip(rates.chain(places.iter().copied())).for_each(|(place, told)| *place = told);
        // A limit that was left out makes another policy.
        let known = self.core.policy.as_ref().filter(|_| told.len() == self.core.limits.len());
        Written::of(self.settings.fields, known, told)
    }

    fn told(&self, decision: &Decision, i: usize, term: Term) -> Told {
        let name = self.core.limits[usize::from(term.index)].limit.name;
        Told::rate(name, term.quota, left(decision, i, term))
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

/// Always inlined, as it is done for each limit of each answer.
#[inline(always)]
fn left(decision: &Decision, i: usize, term: Term) -> Left {
    let standing = decision.standing(i, term.quota);
    Left::of(&standing, if decision.fits(i) { Wait::No } else { standing.wait(term.cost) })
}

/// What does not fit.
#[derive(Default)]
struct Found {
    violated: Which,
    shadow: Which,
    /// The longest.
    wait: Duration,
    /// Whether no wait helps.
    never: bool,
}

impl Found {
    fn of(decision: &Decision, terms: &(impl Terms + ?Sized)) -> Self {
        let mut found = Self::default();
        for (i, term) in terms.iter().enumerate().filter(|(i, _)| !decision.fits(*i)) {
            found.add(term, decision.standing(i, term.quota).wait(term.cost));
        }
        found
    }

    fn add(&mut self, term: Term, wait: Wait) {
        if !term.enforced {
            self.shadow.add(usize::from(term.index));
            return;
        }
        self.violated.add(usize::from(term.index));
        match wait {
            Wait::Never => self.never = true,
            Wait::For(time) => self.wait = self.wait.max(time),
            // It has come back since the store looked.
            Wait::No => {}
        }
    }
}
