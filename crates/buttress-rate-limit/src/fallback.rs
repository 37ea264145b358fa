//! What becomes of a request when the store does not decide: each limit has chosen for itself (RLM-11).

use std::{sync::Arc, time::Duration};

use crate::{
    Act, Asks, Decision, Failure, Limit, RateStore,
    core::Core,
    gather::{Term, Terms},
    key::OwnedKey,
    meter,
    table::Table,
};

impl<St: RateStore> Core<St> {
    /// Each limit by its own choice, when the store did not decide: what was counted here instead, or `None` to refuse.
    pub(crate) fn without_store(
        &self,
        terms: &(impl Terms + ?Sized),
        key: impl Fn(usize) -> Option<OwnedKey>,
    ) -> Option<(Vec<Term>, Decision)> {
        let mut counted: Vec<(Term, &Arc<Table>, OwnedKey)> = Vec::new();
        let mut closed = false;
        for (i, term) in terms.iter().enumerate() {
            let armed = &self.limits[usize::from(term.index)];
            let failure = failure_of(term, &armed.limit);
            meter::failed(armed.limit.name, failure);
            closed |= failure == Failure::Closed;
            if let (Some(table), Some(key)) = (&armed.local, key(i)) {
                counted.push((term, table, key));
            }
        }
        if closed {
            return None;
        }
        let mut asks = Asks::new();
        for (term, table, key) in &counted {
            asks.push(*table, key.key(), term.quota, Act::Take { cost: term.cost, enforced: term.enforced });
        }
        let decision = self.local.decide_now(&asks);
        Some((counted.iter().map(|(term, ..)| *term).collect(), decision))
    }

    /// How long a decision about these limits may take: each limit has its own time, those that refuse without a decision
    /// end the wait for all.
    pub(crate) fn time_out(&self, terms: &[Term]) -> Duration {
        let limits = || terms.iter().map(|term| (*term, &self.limits[usize::from(term.index)].limit));
        let longest = limits().map(|(_, limit)| limit.time_out).max().unwrap_or_default();
        let closed = limits().filter(|(term, limit)| failure_of(*term, limit) == Failure::Closed);
        closed.map(|(_, limit)| limit.time_out).min().unwrap_or(longest)
    }
}

/// What a limit has chosen for this request. A shadow refuses nobody (RLM-15).
fn failure_of(term: Term, limit: &Limit) -> Failure {
    match limit.failure {
        Failure::Closed if !term.enforced => Failure::Open,
        failure => failure,
    }
}
