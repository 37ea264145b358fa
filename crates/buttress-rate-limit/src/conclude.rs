//! From what a store decided, or failed to, to what the caller is told.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::{
    Decision, Fields, MOST_LIMITS, RateStore,
    fields::{Left, Told, Written},
    gather::{Places, Term, Terms},
    judge::Judge,
    key::OwnedKey,
    refusal::{Refusal, SOON, Why},
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
    ) -> Result<Written, Refusal> {
        match outcome {
            Ok(decision) => self.conclude(&decision, terms, places),
            Err(why) => {
                telemetry::undecided(&why);
                match self.core.without_store(terms, key) {
                    Some((terms, decision)) => self.conclude(&decision, &terms[..], places),
                    None => Err(Refusal { why: Why::Store, written: Written::default() }),
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
    ) -> Result<Written, Refusal> {
        let found = Found::of(decision, terms);
        let written = self.write(decision, terms, places);
        if !decision.granted() {
            return Err(self.refusal(&found, written));
        }
        self.tell_shadow(found.shadow);
        Ok(written)
    }

    /// The refusal of a request for which there is no place, with what the rates said that were looked at. If the store
    /// failed, no limit has to choose what happens then, and none counts as failed.
    pub(crate) fn full(
        &self,
        outcome: Result<Decision, Undecided<St::Error>>,
        terms: &[Term],
        places: &Places,
    ) -> Refusal {
        let mut found = Found { violated: places.full, wait: SOON, ..Found::default() };
        let written = match outcome {
            Ok(decision) => {
                found.look(&decision, terms);
                self.write(&decision, terms, &places.told)
            }
            Err(why) => {
                telemetry::undecided(&why);
                Written::of(self.settings.fields, None, &places.told)
            }
        };
        self.refusal(&found, written)
    }

    fn refusal(&self, found: &Found, written: Written) -> Refusal {
        self.tell_shadow(found.shadow);
        let wait = (!found.never).then(|| self.with_jitter(Duration::from_nanos(found.wait)));
        self.core.tell(found.violated, false, wait, self.settings);
        let why = wait.map_or(Why::Never(found.violated), |wait| Why::Limits(found.violated, wait));
        Refusal { why, written }
    }

    pub(crate) fn tell_shadow(&self, shadow: Which) {
        if shadow != Which::NONE {
            self.core.tell(shadow, true, None, self.settings);
        }
    }

    /// The fields of an answer: of rates first, then of places.
    #[inline]
    pub(crate) fn write(&self, decision: &Decision, terms: &(impl Terms + ?Sized), places: &[Told]) -> Written {
        match (self.settings.fields, &self.core.policy) {
            (Fields::None, _) => Written::default(),
            // As many terms as limits: one of each, in their order.
            (Fields::Draft, Some(policy)) if terms.len() == self.core.limits.len() && terms.len() <= FEW => {
                let told =
                    (0..terms.len()).rev().map(|i| (&self.core.limits[i].name, left(decision, i, terms.term(i))));
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
    let wait = || standing.wait_nanos(term.cost).filter(|wait| *wait > 0);
    Left::of(&standing, if decision.fits(i) { None } else { wait() })
}

/// What does not fit.
#[derive(Default)]
struct Found {
    violated: Which,
    shadow: Which,
    /// The longest, in nanoseconds.
    wait: u64,
    /// Whether no wait helps.
    never: bool,
}

impl Found {
    /// What would not fit, of terms that were looked at.
    fn look(&mut self, decision: &Decision, terms: &[Term]) {
        for (i, term) in terms.iter().enumerate() {
            match decision.standing(i, term.quota).wait_nanos(term.cost) {
                Some(0) => {}
                wait => self.add(*term, wait),
            }
        }
    }

    fn of(decision: &Decision, terms: &(impl Terms + ?Sized)) -> Self {
        let mut found = Self::default();
        // A store elsewhere may have told of more.
        for i in decision.misfits().take_while(|i| *i < terms.len()) {
            let term = terms.term(i);
            found.add(term, decision.standing(i, term.quota).wait_nanos(term.cost));
        }
        found
    }

    /// No wait at all is one that has passed since the store looked.
    #[inline]
    fn add(&mut self, term: Term, wait: Option<u64>) {
        if !term.enforced {
            self.shadow.add(usize::from(term.index));
            return;
        }
        self.violated.add(usize::from(term.index));
        self.never |= wait.is_none();
        self.wait = self.wait.max(wait.unwrap_or(0));
    }
}
