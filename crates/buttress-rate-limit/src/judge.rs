//! From a request to its verdict: pass, refuse, or wait for the store.

use std::{sync::Arc, time::Duration};

use crate::{
    Decision, Fields, Head, MOST_LIMITS, RateStore, Reason, Refused, Reply, Tab, Wait,
    core::{Core, Gathered, Term},
    fields::{Told, Written},
    hash::Hasher,
    in_flight::Permit,
    key::{Key, OwnedKey},
    refusal::{Names, Refusal, Why},
    settings::Settings,
    telemetry,
};

/// A request that may go on, and what goes with its answer.
pub(crate) struct Pass<St: RateStore> {
    pub(crate) written: Written,
    pub(crate) permits: Vec<Permit>,
    pub(crate) tab: Option<Tab<St>>,
}

pub(crate) enum Verdict<St: RateStore> {
    Pass(Pass<St>),
    Refuse(Box<Refusal>),
    Wait(Box<Pending<St>>),
}

/// A decision of a store that is elsewhere, and what it will be read with. The box costs nothing beside the way there.
pub(crate) struct Pending<St: RateStore> {
    pub(crate) deciding: Option<St::Deciding>,
    pub(crate) time_out: Duration,
    terms: [Term; MOST_LIMITS],
    len: usize,
    keys: Vec<OwnedKey>,
    told: Vec<Told>,
    permits: Vec<Permit>,
}

/// The limits and settings of a layer.
pub(crate) struct Judge<'j, St: RateStore> {
    pub(crate) core: &'j Arc<Core<St>>,
    pub(crate) settings: &'j Settings,
}

impl<St: RateStore> Judge<'_, St> {
    #[inline]
    pub(crate) fn judge(&self, head: &Head<'_>) -> Verdict<St> {
        if self.settings.exempt.as_ref().is_some_and(|exempt| exempt(head)) {
            return Verdict::Pass(Pass::plain());
        }
        let mut gathered = Gathered::new();
        if let Err(error) = self.core.gather(head, &mut gathered) {
            telemetry::no_key(&error);
            return self.refuse(Why::NoKey(error), Written::default(), head);
        }
        if let Some(refusal) = self.without_asking(&gathered, head) {
            return refusal;
        }
        match self.core.store.decide(&gathered.asks) {
            Reply::Now(Ok(decision)) if self.is_plain(&gathered, &decision) => {
                Verdict::Pass(Pass { permits: std::mem::take(&mut gathered.permits), ..Pass::plain() })
            }
            Reply::Now(outcome) => {
                let (terms, len) = gathered.terms();
                let told = std::mem::take(&mut gathered.told);
                let permits = std::mem::take(&mut gathered.permits);
                let keys = if self.keeps_tab() { gathered.keys() } else { Vec::new() };
                let key = |i| gathered.asks.iter().nth(i).map(|ask| OwnedKey::of(&ask.key));
                self.read(outcome.map_err(Some), &terms[..len], key, told, head)
                    .map_or_else(Verdict::Refuse, |written| {
                        Verdict::Pass(self.pass(written, permits, &terms[..len], keys))
                    })
            }
            Reply::Later(deciding) => Verdict::Wait(Box::new(self.wait(deciding, gathered))),
        }
    }

    /// Nothing is to be told and nothing to be kept.
    #[inline]
    fn is_plain(&self, gathered: &Gathered<'_, St::Limit>, decision: &Decision) -> bool {
        let nothing_to_tell =
            self.settings.fields == Fields::None || (gathered.asks.is_empty() && gathered.told.is_empty());
        nothing_to_tell && decision.all_fit() && !self.keeps_tab()
    }

    /// Places that are not there refuse before anything is taken from the store; so do limits that panicked and are closed.
    #[inline]
    fn without_asking(&self, gathered: &Gathered<'_, St::Limit>, head: &Head<'_>) -> Option<Verdict<St>> {
        if gathered.failed {
            return Some(self.refuse(Why::Store, Written::default(), head));
        }
        if let Some(shadow) = &gathered.shadow {
            telemetry::tell(&Refused::new(**shadow, true, None), self.settings);
        }
        let (names, reason) = **gathered.full.as_ref()?;
        let wait = self.with_jitter(Duration::from_secs(1), head);
        telemetry::tell(&Refused::new(names, false, Some(wait)), self.settings);
        let written = Written::of(self.settings.fields, &gathered.told);
        Some(self.refuse(Why::Limits { names, reason, wait }, written, head))
    }

    #[cold]
    fn refuse(&self, why: Why, written: Written, head: &Head<'_>) -> Verdict<St> {
        Verdict::Refuse(Box::new(Refusal::new(why, written, head, self.settings)))
    }

    fn wait(&self, deciding: St::Deciding, gathered: Gathered<'_, St::Limit>) -> Pending<St> {
        let (terms, len) = gathered.terms();
        Pending {
            deciding: Some(deciding),
            time_out: self.core.time_out(&terms[..len]),
            keys: gathered.keys(),
            told: gathered.told,
            permits: gathered.permits,
            terms,
            len,
        }
    }

    /// What becomes of a request whose decision was waited for; `Err(None)` if it did not come in time.
    pub(crate) fn decided(
        &self,
        outcome: Result<Decision, Option<St::Error>>,
        pending: Pending<St>,
        head: &Head<'_>,
    ) -> Result<Pass<St>, Box<Refusal>> {
        let Pending { deciding: _, time_out: _, terms, len, keys, told, permits } = pending;
        let terms = &terms[..len];
        let written = self.read(outcome, terms, |i| keys.get(i).cloned(), told, head)?;
        let keys = if self.keeps_tab() { keys } else { Vec::new() };
        Ok(self.pass(written, permits, terms, keys))
    }

    fn pass(&self, written: Written, permits: Vec<Permit>, terms: &[Term], keys: Vec<OwnedKey>) -> Pass<St> {
        let tab = self.keeps_tab().then(|| Tab::new(self.core, terms, keys));
        Pass { written, permits, tab }
    }

    fn keeps_tab(&self) -> bool {
        self.settings.tab || self.core.settles
    }

    /// Reads what the store said, or does without it.
    fn read(
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
                    Ok((terms, decision)) => self.conclude(&decision, &terms, told, head),
                    Err(why) => Err(Box::new(Refusal::new(why, Written::default(), head, self.settings))),
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
        let Some((names, reason)) = found.violated.filter(|_| !decision.granted()) else { return Ok(written) };
        let wait = found.wait.map(|wait| self.with_jitter(wait, head));
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
    fn with_jitter(&self, wait: Duration, head: &Head<'_>) -> Duration {
        let most = u64::try_from(self.settings.jitter.as_nanos()).unwrap_or(u64::MAX);
        if most == 0 {
            return wait;
        }
        // A hash of what differs from request to request is random enough.
        let seed = Key::number(u64::from(wait.subsec_nanos())).and(Key::text(head.path()));
        wait + Duration::from_nanos(Hasher::new().hash(&seed) % most)
    }
}

impl<St: RateStore> Pass<St> {
    fn plain() -> Self {
        Self { written: Written::default(), permits: Vec::new(), tab: None }
    }
}

/// What does not fit.
#[derive(Default)]
struct Found {
    violated: Option<(Names, Reason)>,
    shadow: Option<Names>,
    /// The longest; `None` once one of them never ends.
    wait: Option<Duration>,
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
            Wait::For(time) => self.wait = Some(self.wait.map_or(time, |longest| longest.max(time))),
            // It has come back meanwhile, by the store's word that it did not fit.
            Wait::No => self.wait = Some(self.wait.unwrap_or_default()),
        }
        if self.never {
            self.wait = None;
        }
    }
}
