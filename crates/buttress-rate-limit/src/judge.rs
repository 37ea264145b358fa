//! From a request to its verdict: pass, refuse, or wait for the store.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use http::Request;

use crate::{
    Asks, Decision, Fields, Head, MOST_LIMITS, NoKey, RateStore, Reply, Tab,
    core::Core,
    fields::Written,
    gather::{self, Gathered, Places, Term, Terms},
    key::OwnedKey,
    refusal::{Refusal, Why},
    settings::Settings,
    telemetry,
    undecided::Undecided,
    which::Which,
};

/// A request that may go on, and what goes with its answer.
pub(crate) struct Pass<St: RateStore> {
    pub(crate) written: Written,
    pub(crate) places: Option<Box<Places>>,
    pub(crate) tab: Option<Tab<St>>,
}

impl<St: RateStore> Pass<St> {
    /// Hands the tab to the handler, if handlers are to have it.
    #[inline]
    pub(crate) fn open_tab<B>(&self, request: &mut Request<B>, open: bool) {
        if let Some(tab) = self.tab.as_ref().filter(|_| open) {
            request.extensions_mut().insert(tab.clone());
        }
    }
}

pub(crate) enum Verdict<St: RateStore> {
    /// Nothing goes with the answer.
    Plain,
    Pass(Pass<St>),
    Refuse(Refusal),
    Wait(Box<Pending<St>>),
}

/// A decision of a store that is elsewhere, and what it will be read with. The box costs nothing beside the way there.
pub(crate) struct Pending<St: RateStore> {
    pub(crate) deciding: Option<St::Deciding>,
    pub(crate) time_out: Duration,
    terms: [Term; MOST_LIMITS],
    len: usize,
    keys: Vec<OwnedKey>,
    places: Option<Box<Places>>,
}

/// The limits and settings of a layer.
pub(crate) struct Judge<'j, St: RateStore> {
    pub(crate) core: &'j Arc<Core<St>>,
    pub(crate) settings: &'j Settings,
}

impl<St: RateStore> Judge<'_, St> {
    #[inline]
    pub(crate) fn judge(&self, head: &Head<'_>) -> Verdict<St> {
        if self.settings.is_exempt(head) {
            return Verdict::Plain;
        }
        let mut gathered = Gathered::new();
        if let Err(error) = self.core.gather(head, &mut gathered) {
            return without_key(error);
        }
        if let Some(verdict) = self.before_asking(&mut gathered) {
            return verdict;
        }
        // The store is spared questions about nothing.
        if gathered.asks.is_empty() {
            let nothing = Decision::new(true);
            return if self.keeps_tab() {
                self.tell(Ok(nothing), &mut gathered)
            } else {
                self.pass_with(&nothing, &mut gathered)
            };
        }
        let reply = self.consult(&gathered.asks);
        match &reply {
            Some(Reply::Now(Ok(decision))) if self.is_simple(decision) => self.pass_with(decision, &mut gathered),
            _ => self.answer(reply, &mut gathered),
        }
    }

    /// What the store says at once, if it does not panic. Put down from within, since a decision is long.
    #[inline(always)]
    fn consult(&self, asks: &Asks<'_, St::Limit>) -> Option<Reply<St::Deciding>> {
        let mut reply = None;
        let _ = catch_unwind(AssertUnwindSafe(|| reply = Some(self.core.store.decide(asks))));
        reply
    }

    /// What the store said, if it did not panic, in full.
    #[inline(never)]
    fn answer(&self, reply: Option<Reply<St::Deciding>>, gathered: &mut Gathered<'_, St::Limit>) -> Verdict<St> {
        match reply {
            Some(Reply::Now(outcome)) => self.tell(outcome.map_err(Undecided::Failed), gathered),
            Some(Reply::Later(deciding)) => Verdict::Wait(Box::new(self.wait(deciding, gathered))),
            None => self.tell(Err(Undecided::Panicked), gathered),
        }
    }

    /// All that is wanted is there, and nobody asks for more later.
    #[inline]
    fn is_simple(&self, decision: &Decision) -> bool {
        decision.granted() && decision.all_fit() && !self.keeps_tab()
    }

    /// A request of which there is nothing to say but the fields of its answer.
    #[inline(always)]
    fn pass_with(&self, decision: &Decision, gathered: &mut Gathered<'_, St::Limit>) -> Verdict<St> {
        if gathered.places.is_none() && (self.settings.fields == Fields::None || gathered.asks.is_empty()) {
            return Verdict::Plain;
        }
        Verdict::Pass(self.pass_told(decision, gathered))
    }

    #[inline(never)]
    fn pass_told(&self, decision: &Decision, gathered: &mut Gathered<'_, St::Limit>) -> Pass<St> {
        let places = gathered.places.take();
        Pass { written: self.write(decision, gathered, gather::told(places.as_deref())), places, tab: None }
    }

    /// What a request passes with, or is refused with.
    fn tell(
        &self,
        outcome: Result<Decision, Undecided<St::Error>>,
        gathered: &mut Gathered<'_, St::Limit>,
    ) -> Verdict<St> {
        let places = gathered.places.take();
        let keys = if self.keeps_tab() { gathered.keys() } else { Vec::new() };
        let key = |i| gathered.asks.iter().nth(i).map(|ask| OwnedKey::of(&ask.key));
        let decision = outcome.as_ref().ok().copied();
        match self.read(outcome, gathered, key, gather::told(places.as_deref())) {
            Ok(written) => Verdict::Pass(self.pass(written, places, decision, gathered, keys)),
            Err(refusal) => Verdict::Refuse(refusal),
        }
    }

    /// A limit that panicked and is closed refuses, and so does one that has no place left.
    #[inline]
    fn before_asking(&self, gathered: &mut Gathered<'_, St::Limit>) -> Option<Verdict<St>> {
        if gathered.failed {
            return Some(refuse(Why::Store));
        }
        let (full, shadow) = gathered.places.as_ref().map(|places| (places.full, places.shadow))?;
        self.tell_shadow(shadow);
        (full != Which::NONE).then(|| self.without_place(gathered))
    }

    /// There is no place left, so nothing is taken: the rates are looked at only, since all that is violated is told, and
    /// the longest wait (RLM-3).
    fn without_place(&self, gathered: &mut Gathered<'_, St::Limit>) -> Verdict<St> {
        let mut places = gathered.places.take().unwrap_or_default();
        places.leave();
        let (terms, len) = gathered.terms();
        // The store is spared questions about nothing.
        let nothing = gathered.asks.is_empty().then(|| Reply::Now(Ok(Decision::new(true))));
        let outcome = match nothing.or_else(|| self.consult(&gathered.asks.looks())) {
            Some(Reply::Now(outcome)) => outcome.map_err(Undecided::Failed),
            Some(Reply::Later(deciding)) => {
                let time_out = self.core.time_out(&terms[..len]);
                let (deciding, places, keys) = (Some(deciding), Some(places), Vec::new());
                return Verdict::Wait(Box::new(Pending { deciding, time_out, terms, len, keys, places }));
            }
            None => Err(Undecided::Panicked),
        };
        Verdict::Refuse(self.full(outcome, &terms[..len], &places))
    }

    fn wait(&self, deciding: St::Deciding, gathered: &mut Gathered<'_, St::Limit>) -> Pending<St> {
        let (terms, len) = gathered.terms();
        Pending {
            deciding: Some(deciding),
            time_out: self.core.time_out(&terms[..len]),
            keys: gathered.keys(),
            places: gathered.places.take(),
            terms,
            len,
        }
    }

    /// What becomes of a request whose decision was waited for.
    pub(crate) fn decided(
        &self,
        outcome: Result<Decision, Undecided<St::Error>>,
        pending: Pending<St>,
    ) -> Result<Pass<St>, Refusal> {
        let Pending { deciding: _, time_out: _, terms, len, keys, places } = pending;
        let terms = &terms[..len];
        if let Some(places) = places.as_deref().filter(|places| places.full != Which::NONE) {
            return Err(self.full(outcome, terms, places));
        }
        let decision = outcome.as_ref().ok().copied();
        let written = self.read(outcome, terms, |i| keys.get(i).cloned(), gather::told(places.as_deref()))?;
        let keys = if self.keeps_tab() { keys } else { Vec::new() };
        Ok(self.pass(written, places, decision, terms, keys))
    }

    fn pass(
        &self,
        written: Written,
        places: Option<Box<Places>>,
        decision: Option<Decision>,
        terms: &(impl Terms + ?Sized),
        keys: Vec<OwnedKey>,
    ) -> Pass<St> {
        let tab = self.keeps_tab().then(|| Tab::new(self.core, decision.as_ref(), terms, keys));
        Pass { written, places, tab }
    }

    fn keeps_tab(&self) -> bool {
        self.settings.tab || self.core.settles
    }
}

#[cold]
fn without_key<St: RateStore>(error: NoKey) -> Verdict<St> {
    telemetry::no_key(&error);
    refuse(Why::NoKey(error))
}

#[cold]
fn refuse<St: RateStore>(why: Why) -> Verdict<St> {
    Verdict::Refuse(Refusal { why, written: Written::default() })
}
