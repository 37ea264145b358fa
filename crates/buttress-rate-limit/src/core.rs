//! The limits of a layer, and what they make of a request.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use http::HeaderValue;

use crate::{
    Act, Asks, Failure, Head, InvalidLimits, Limit, MOST_LIMITS, MemoryStore, NoKey, Quota, RateStore, Reason,
    Standing, Wait,
    fields::{self, Told},
    hash::Hasher,
    in_flight::Permit,
    key::{Key, OwnedKey},
    limit::{Concurrent, Kind, Rate},
    refusal::Names,
    table::Table,
    telemetry,
};

/// Limits in their store.
pub(crate) struct Core<St: RateStore> {
    pub(crate) store: St,
    pub(crate) limits: Box<[Armed<St::Limit>]>,
    /// For the limits that are counted here when the store fails.
    pub(crate) local: MemoryStore,
    /// Decides for which keys a limit is enforced.
    ramp: Hasher,
    /// Whether an answer may change what its request took.
    pub(crate) settles: bool,
    /// The policy field of a request that all limits are about, if their quotas are always the same.
    pub(crate) policy: Option<HeaderValue>,
}

/// A limit and where its buckets are.
pub(crate) struct Armed<L> {
    pub(crate) limit: Limit,
    pub(crate) buckets: L,
    pub(crate) local: Option<Arc<Table>>,
}

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
#[derive(Default)]
pub(crate) struct Places {
    pub(crate) permits: Vec<Permit>,
    pub(crate) told: Vec<Told>,
    /// Limits that have no place left.
    pub(crate) full: Option<(Names, Reason)>,
    /// Limits that would have none left, if they were enforced.
    pub(crate) shadow: Option<Names>,
}

/// An ask without its key: what the answer is read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub(crate) index: u8,
    pub(crate) quota: Quota,
    pub(crate) cost: u32,
    pub(crate) enforced: bool,
}

impl<St: RateStore> Core<St> {
    pub(crate) fn new(store: St, limits: Vec<Limit>) -> Result<Self, InvalidLimits> {
        InvalidLimits::check(&limits)?;
        let local = MemoryStore::default();
        let limits = limits.into_iter().map(|limit| Armed {
            buckets: store.open(limit.name),
            local: (limit.failure == Failure::Local).then(|| local.open(limit.name)),
            limit,
        });
        let limits: Box<[_]> = limits.collect();
        let settles = limits.iter().any(|armed| armed.limit.settle_with().is_some());
        let policy = policy(&limits);
        Ok(Self { limits, store, local, ramp: Hasher::new(), settles, policy })
    }

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
                    gathered.failed |= limit.failure == Failure::Closed;
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
        let limit = &armed.limit;
        if limit.only_for.as_ref().is_some_and(|pick| !pick(head)) {
            return Ok(());
        }
        let Some(key) = limit.key.key(head)? else { return Ok(()) };
        match &limit.kind {
            Kind::Rate(rate) => self.ask_rate(index, armed, rate, key, head, gathered),
            Kind::Concurrent(concurrent) => self.enter(limit, concurrent, key, head, gathered),
        }
        Ok(())
    }

    #[inline]
    fn ask_rate<'a>(
        &'a self,
        index: usize,
        armed: &'a Armed<St::Limit>,
        rate: &Rate,
        key: Key<'a>,
        head: &Head<'a>,
        gathered: &mut Gathered<'a, St::Limit>,
    ) {
        let cost = rate.cost.as_ref().map_or(1, |cost| cost(head));
        let quota = rate.quota(head, &key);
        let act = Act::Take { cost, enforced: self.is_enforced(&armed.limit, &key) };
        #[expect(clippy::cast_possible_truncation, reason = "there are at most MOST_LIMITS")]
        (gathered.index[gathered.asks.len()] = index as u8);
        gathered.asks.push(&armed.buckets, key, quota, act);
    }

    #[inline]
    fn is_enforced(&self, limit: &Limit, key: &Key<'_>) -> bool {
        limit.enforced >= 100 || self.ramp.hash(key) % 100 < u64::from(limit.enforced)
    }

    /// Takes a place of a concurrency limit, or notes that there is none.
    fn enter<'a>(
        &self,
        limit: &Limit,
        concurrent: &Concurrent,
        key: Key<'a>,
        head: &Head<'a>,
        gathered: &mut Gathered<'a, St::Limit>,
    ) {
        let most = Limit::places(concurrent, head);
        let enforced = self.is_enforced(limit, &key);
        let permit = concurrent.in_flight.enter(&key, if enforced { most } else { u32::MAX });
        let count = concurrent.in_flight.count(&key);
        let places = gathered.places.get_or_insert_default();
        places.told.push(Told::concurrent(limit.name, concurrent.most, most.saturating_sub(count)));
        if !enforced && count > most {
            places.shadow.get_or_insert_default().push(limit.name);
        }
        match permit {
            Some(permit) => places.permits.push(permit),
            None => places.full.get_or_insert((Names::default(), limit.reason)).0.push(limit.name),
        }
    }
}

/// Rates first, then places, as they are told after a decision.
fn policy<L>(limits: &[Armed<L>]) -> Option<HeaderValue> {
    let (mut rates, mut places) = (Vec::new(), Vec::new());
    for Armed { limit, .. } in limits {
        match &limit.kind {
            Kind::Rate(rate) => {
                rates.push(Told::rate(limit.name, rate.fixed()?, &Standing::of(rate.fixed()?, 0), Wait::No));
            }
            Kind::Concurrent(concurrent) => places.push(Told::concurrent(limit.name, concurrent.most, 0)),
        }
    }
    rates.extend(places);
    Some(fields::policy(&rates))
}

impl<L> Gathered<'_, L> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { asks: Asks::new(), index: [0; MOST_LIMITS], places: None, failed: false }
    }

    /// The places that were taken, and what is told of their limits.
    pub(crate) fn take_places(&mut self) -> (Vec<Permit>, Vec<Told>) {
        self.places.take().map_or_else(Default::default, |places| (places.permits, places.told))
    }

    /// The asks without their keys.
    #[inline]
    pub(crate) fn rates(&self) -> impl Iterator<Item = Term> + Clone {
        self.asks.iter().zip(&self.index).map(|(ask, index)| {
            let (cost, enforced) = match ask.act {
                Act::Take { cost, enforced } => (cost, enforced),
                Act::Charge(_) | Act::Refund(_) => (0, false),
            };
            Term { index: *index, quota: ask.quota, cost, enforced }
        })
    }

    /// The same, all of them, and how many there are.
    pub(crate) fn terms(&self) -> ([Term; MOST_LIMITS], usize) {
        let mut terms = [Term::NOTHING; MOST_LIMITS];
        terms.iter_mut().zip(self.rates()).for_each(|(place, term)| *place = term);
        (terms, self.asks.len())
    }

    pub(crate) fn keys(&self) -> Vec<OwnedKey> {
        self.asks.iter().map(|ask| OwnedKey::of(&ask.key)).collect()
    }
}

impl Term {
    const NOTHING: Self = Self { index: 0, quota: Quota::ONE, cost: 0, enforced: false };
}

impl<St: RateStore> fmt::Debug for Core<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.limits.iter().map(|armed| &armed.limit)).finish()
    }
}
