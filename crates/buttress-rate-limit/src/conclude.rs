//! From what a store decided, or failed to, to what the caller is told.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::{
    Decision, Fields, Head, MOST_LIMITS, RateStore, Reason, Refused, Wait,
    core::Term,
    fields::{Told, Written},
    judge::Judge,
    key::OwnedKey,
    refusal::{Names, Refusal, Why},
    telemetry,
};

impl<St: RateStore> Judge<'_, St> {
    /// Reads what the store said, or does without it.
    pub(crate) fn read(
        &self,
        outcome: Result<Decision, Option<St::Error>>,
        terms: &[Term],
        key: impl Fn(usize) -> Option<OwnedKey>,
        told: Vec<Told>,
        head: &Head<'_>,
    ) -> Result<Written, Box<Refusal>> {
        match outcome {
            Ok(decision) => self.conclude(&decision, terms, told, head),
            Err(error) => {
                telemetry::store_failed(error.as_ref().map(|error| error as &dyn std::error::Error));
                match self.core.without_store(terms, key) {
                    Some((terms, decision)) => self.conclude(&decision, &terms, told, head),
                    None => Err(Box::new(Refusal::new(Why::Store, Written::default(), head, self.settings))),
                }
            }
        }
    }

    /// The fields of the answer, or the refusal.
    fn conclude(
        &self,
        decision: &Decision,
        terms: &[Term],
        told: Vec<Told>,
        head: &Head<'_>,
    ) -> Result<Written, Box<Refusal>> {
        let mut found = Found::default();
        if !decision.all_fit() {
            for (i, term) in terms.iter().enumerate().filter(|(i, _)| !decision.fits(*i)) {
                let limit = &self.core.limits[usize::from(term.index)].limit;
                let wait = decision.standing(i, term.quota).wait(term.cost);
                found.add(limit.name, limit.reason, wait, term.enforced);
            }
        }
        if let Some(shadow) = found.shadow {
            telemetry::tell(&Refused::new(shadow, true, None), self.settings);
        }
        let written = self.write(decision, terms, &told);
        if decision.granted() {
            return Ok(written);
        }
        let (names, reason) = found.violated.unwrap_or((Names::default(), Reason::Quota));
        let wait = (!found.never).then(|| self.with_jitter(found.wait));
        telemetry::tell(&Refused::new(names, false, wait), self.settings);
        let why = wait.map_or(Why::Never { names }, |wait| Why::Limits { names, reason, wait });
        Err(Box::new(Refusal::new(why, written, head, self.settings)))
    }

    #[inline]
    fn write(&self, decision: &Decision, terms: &[Term], concurrent: &[Told]) -> Written {
        if self.settings.fields == Fields::None {
            return Written::default();
        }
        let nothing = Told::concurrent("", 0, 0);
        let mut list = [nothing; MOST_LIMITS];
        for (i, (told, term)) in list.iter_mut().zip(terms).enumerate() {
            let standing = decision.standing(i, term.quota);
            let wait = match standing.wait(term.cost) {
                Wait::For(wait) if !decision.fits(i) => Some(wait),
                _ => None,
            };
            *told = Told::rate(self.core.limits[usize::from(term.index)].limit.name, term.quota, &standing, wait);
        }
        let (rates, rest) = list.split_at_mut(terms.len());
        rest.iter_mut().zip(concurrent).for_each(|(place, told)| *place = *told);
        let all = rates.len() + concurrent.len();
        Written::of(self.settings.fields, &list[..all])
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
    violated: Option<(Names, Reason)>,
    shadow: Option<Names>,
    /// The longest.
    wait: Duration,
    /// Whether no wait helps.
    never: bool,
}

impl Found {
    fn add(&mut self, name: &'static str, reason: Reason, wait: Wait, enforced: bool) {
        if !enforced {
            self.shadow.get_or_insert_default().push(name);
            return;
        }
        self.violated.get_or_insert((Names::default(), reason)).0.push(name);
        match wait {
            Wait::Never => self.never = true,
            Wait::For(time) => self.wait = self.wait.max(time),
            // It has come back since the store looked.
            Wait::No => {}
        }
    }
}
