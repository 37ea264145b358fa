//! The limits of a layer.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;

use crate::{
    Failure, InvalidLimits, Limit, MemoryStore, Quota, RateStore, Standing, Table,
    fields::{self, Left, Told},
    hash::Hasher,
    key::Key,
    limit::Kind,
    meter::Meter,
    problems::Problems,
    settings::Settings,
    telemetry,
    value::Name,
    which::Which,
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
    pub(crate) problems: Problems,
}

/// A limit and where its buckets are.
pub(crate) struct Armed<L> {
    pub(crate) limit: Limit,
    /// As fields have it.
    pub(crate) name: Name,
    meter: Meter,
    pub(crate) buckets: L,
    pub(crate) local: Option<Arc<Table>>,
    /// See [`Limit::plain`].
    pub(crate) plain: Option<Quota>,
}

impl<St: RateStore> Core<St> {
    pub(crate) fn new(store: St, limits: Vec<Limit>) -> Result<Self, InvalidLimits> {
        InvalidLimits::check(&limits)?;
        let local = MemoryStore::default();
        let limits = limits.into_iter().map(|limit| Armed {
            name: Name::new(limit.name),
            meter: Meter::new(limit.name),
            buckets: store.open(limit.name),
            local: (limit.failure == Failure::Local).then(|| local.open(limit.name)),
            plain: limit.plain(),
            limit,
        });
        let limits: Box<[_]> = limits.collect();
        let settles = limits.iter().any(|armed| armed.limit.settle_with().is_some());
        let policy = policy(&limits);
        let problems = Problems::new(limits.len());
        Ok(Self { limits, store, local, ramp: Hasher::new(), settles, policy, problems })
    }

    /// These limits refused a request, or would have.
    pub(crate) fn tell(&self, which: Which, shadow: bool, wait: Option<Duration>, settings: &Settings) {
        which.of(&self.limits).for_each(|armed| armed.meter.refused(shadow));
        telemetry::tell(which, &self.limits, shadow, wait, settings);
    }

    /// Whether a request with this key is refused by it, or only told.
    #[inline]
    pub(crate) fn is_enforced(&self, limit: &Limit, key: &Key<'_>) -> bool {
        limit.enforced >= 100 || self.ramp.hash(key) % 100 < u64::from(limit.enforced)
    }
}

/// Rates first, then places, as they are told after a decision.
fn policy<L>(limits: &[Armed<L>]) -> Option<HeaderValue> {
    let (mut rates, mut places) = (Vec::new(), Vec::new());
    for Armed { limit, .. } in limits {
        match &limit.kind {
            Kind::Rate(rate) => {
                let quota = *rate.fixed()?;
                rates.push(Told::rate(limit.name, quota, Left::of(&Standing::of(quota, 0), None)));
            }
            Kind::Concurrent(concurrent) => places.push(Told::concurrent(limit.name, concurrent.most, 0)),
        }
    }
    rates.extend(places);
    Some(fields::policy(&rates))
}

impl<St: RateStore> fmt::Debug for Core<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.limits.iter().map(|armed| &armed.limit)).finish()
    }
}
