//! What the limits of a layer make of a request: the asks to its store, and places.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    Act, Asks, Failure, Head, Limit, MOST_LIMITS, NoKey, Quota, RateStore,
    core::{Armed, Core},
    fields::Told,
    in_flight::Permit,
    key::{Key, OwnedKey},
    limit::{Concurrent, Kind, Rate},
    telemetry,
    which::Which,
};

/// What a request asks of limits, and the places that it has taken already.
pub(crate) struct Gathered<'a, L> {
    pub(crate) asks: Asks<'a, L>,
    /// Which limit each ask is about.
    index: [u8; MOST_LIMITS],
    /// What concurrency limits said, if there are any.
    pub(crate) places: Option<Box<Places>>,
    /// Whether a limit panicked that is then closed.
    pub(crate) failed: bool,
}

/// What concurrency limits said. Apart, since most requests meet none.
///
/// The places of a request are given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Places {
    permits: Vec<Permit>,
    pub(crate) told: Vec<Told>,
    /// Limits that have no place left.
    pub(crate) full: Which,
    /// Limits that would have none left, if they were enforced.
    pub(crate) shadow: Which,
}

impl Places {
    /// Gives back those that were taken: the request is refused, however long it takes to say why.
    pub(crate) fn leave(&mut self) {
        self.permits.clear();
    }
}

/// What is told of places, if there are any.
pub(crate) fn told(places: Option<&Places>) -> &[Told] {
    places.map_or(&[], |places| &places.told)
}

/// An ask without its key: what the answer is read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub(crate) index: u8,
    pub(crate) quota: Quota,
    pub(crate) cost: u32,
    pub(crate) enforced: bool,
}

/// All terms of a request, wherever they are kept.
pub(crate) trait Terms {
    fn len(&self) -> usize;

    fn term(&self, i: usize) -> Term;

    #[inline]
    fn iter(&self) -> impl Iterator<Item = Term> {
        (0..self.len()).map(|i| self.term(i))
    }
}

impl Terms for [Term] {
    fn len(&self) -> usize {
        self.len()
    }

    fn term(&self, i: usize) -> Term {
        self[i]
    }
}

impl<L> Terms for Gathered<'_, L> {
    #[inline]
    fn len(&self) -> usize {
        self.asks.len()
    }

    #[inline]
    fn term(&self, i: usize) -> Term {
        let ask = &self.asks.as_slice()[i];
        let (cost, enforced) = match ask.act {
            Act::Take { cost, enforced } => (cost, enforced),
            Act::Charge(_) | Act::Refund(_) => (0, false),
        };
        Term { index: self.index[i], quota: ask.quota, cost, enforced }
    }
}

impl<St: RateStore> Core<St> {
    /// Asks each limit what it wants of this request. A limit that panics counts as failed, the others are asked (RLM-16).
    #[inline]
    pub(crate) fn gather<'a>(&'a self, head: &Head<'a>, gathered: &mut Gathered<'a, St::Limit>) -> Result<(), NoKey> {
        let mut next = 0;
        while next < self.limits.len() {
            let asked = catch_unwind(AssertUnwindSafe(|| {
                while let Some(armed) = self.limits.get(next) {
                    next += 1;
                    self.ask(next - 1, armed, head, gathered)?;
                }
                Ok(())
            }));
            match asked {
                Ok(outcome) => outcome?,
                Err(_) => {
                    let limit = &self.limits[next - 1].limit;
                    telemetry::panicked(limit);
                    gathered.failed |= limit.on_panic() == Failure::Closed;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn ask<'a>(
        &'a self,
        index: usize,
        armed: &'a Armed<St::Limit>,
        head: &Head<'a>,
        gathered: &mut Gathered<'a, St::Limit>,
    ) -> Result<(), NoKey> {
        let Some(quota) = &armed.plain else { return self.ask_in_full(index, head, gathered) };
        gathered.index[gathered.asks.len()] = place(index);
        let act = Act::Take { cost: 1, enforced: true };
        gathered.asks.push_found(&armed.buckets, *quota, act, |key| armed.limit.key.find(head, key))
    }

    #[inline(never)]
    fn ask_in_full<'a>(
        &'a self,
        index: usize,
        head: &Head<'a>,
        gathered: &mut Gathered<'a, St::Limit>,
    ) -> Result<(), NoKey> {
        let limit = &self.limits[index].limit;
        if limit.only_for.as_ref().is_some_and(|pick| !pick(head)) {
            return Ok(());
        }
        let mut key = Key::EVERYBODY;
        match limit.key.find(head, &mut key) {
            Ok(true) => match &limit.kind {
                Kind::Rate(rate) => self.ask_rate(index, rate, &key, head, gathered),
                Kind::Concurrent(concurrent) => self.enter(index, concurrent, &key, head, gathered),
            },
            Ok(false) => {}
            Err(error) if limit.is_shadow() => telemetry::no_key(&error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    #[inline]
    fn ask_rate<'a>(
        &'a self,
        index: usize,
        rate: &Rate,
        key: &Key<'a>,
        head: &Head<'a>,
        gathered: &mut Gathered<'a, St::Limit>,
    ) {
        let cost = rate.cost.as_ref().map_or(1, |cost| cost(head));
        let changing;
        let quota = match rate.fixed() {
            Some(quota) => quota,
            None => {
                changing = rate.quota(head, key);
                &changing
            }
        };
        let armed = &self.limits[index];
        let act = Act::Take { cost, enforced: self.is_enforced(&armed.limit, key) };
        gathered.index[gathered.asks.len()] = place(index);
        gathered.asks.push(&armed.buckets, *key, *quota, act);
    }

    /// Takes a place of a concurrency limit, or notes that there is none.
    fn enter(
        &self,
        index: usize,
        concurrent: &Concurrent,
        key: &Key<'_>,
        head: &Head<'_>,
        gathered: &mut Gathered<'_, St::Limit>,
    ) {
        let limit = &self.limits[index].limit;
        let most = Limit::places(concurrent, head);
        let enforced = self.is_enforced(limit, key);
        let permit = concurrent.in_flight.enter(key, if enforced { most } else { u32::MAX });
        let count = concurrent.in_flight.count(key);
        let places = gathered.places.get_or_insert_default();
        places.told.push(Told::concurrent(limit.name, concurrent.most, most.saturating_sub(count)));
        if !enforced && count > most {
            places.shadow.add(index);
        }
        match permit {
            Some(permit) => places.permits.push(permit),
            None => places.full.add(index),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "there are at most MOST_LIMITS")]
fn place(index: usize) -> u8 {
    index as u8
}

impl<L> Gathered<'_, L> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { asks: Asks::new(), index: [0; MOST_LIMITS], places: None, failed: false }
    }

    /// The asks without their keys, and how many there are.
    pub(crate) fn terms(&self) -> ([Term; MOST_LIMITS], usize) {
        let mut terms = [Term::NOTHING; MOST_LIMITS];
        terms.iter_mut().zip(self.iter()).for_each(|(place, term)| *place = term);
        (terms, self.len())
    }

    pub(crate) fn keys(&self) -> Vec<OwnedKey> {
        self.asks.iter().map(|ask| OwnedKey::of(&ask.key)).collect()
    }
}

impl Term {
    const NOTHING: Self = Self { index: 0, quota: Quota::ONE, cost: 0, enforced: false };
}
