use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{
    Act, Asks, Decision, MemoryStore, Quota, RateStore, Reply, Settlement, Standing,
    core::Core,
    gather::{Term, Terms},
    key::OwnedKey,
    limit::Answer,
    telemetry,
};

/// What a request has taken from which limits, for those who learn only later what it really costs.
///
/// An extension of every request that passes a layer with [`with_tab`](crate::RateLimitLayer::with_tab). A clone is the
/// same tab; it can be kept for as long as a stream goes on, or longer. Limits of requests at once take nothing, and are in
/// no tab.
///
/// A store elsewhere is waited for without an end here, as nobody but the handler knows how long it can wait:
/// `tokio::time::timeout` around a call bounds it.
///
/// # Examples
///
/// ```no_run
/// # async fn f(request: http::Request<()>) -> Result<(), Box<dyn std::error::Error>> {
/// use buttress_rate_limit::{MemoryStore, Tab};
///
/// if let Some(tab) = request.extensions().get::<Tab<MemoryStore>>() {
///     let left = tab.standing("tokens").await?.map(|standing| standing.remaining());
///     // … 1 700 tokens later:
///     tab.charge("tokens", 1_700).await?;
/// }
/// # Ok(()) }
/// ```
pub struct Tab<St: RateStore = MemoryStore>(Arc<Entries<St>>);

struct Entries<St: RateStore> {
    core: Arc<Core<St>>,
    list: Vec<Entry>,
}

struct Entry {
    index: u8,
    quota: Quota,
    /// None where a shadow found too few, or the store did not decide.
    taken: u32,
    key: OwnedKey,
}

impl<St: RateStore> Tab<St> {
    /// Without a decision of the store nothing was taken from it.
    pub(crate) fn new(
        core: &Arc<Core<St>>,
        decision: Option<&Decision>,
        terms: &(impl Terms + ?Sized),
        keys: Vec<OwnedKey>,
    ) -> Self {
        let taken = |i, cost| if decision.is_some_and(|decision| decision.fits(i)) { cost } else { 0 };
        let entry = |(i, (term, key)): (usize, (Term, OwnedKey))| {
            let Term { index, quota, cost, enforced: _ } = term;
            Entry { index, quota, taken: taken(i, cost), key }
        };
        let list = terms.iter().zip(keys).enumerate().map(entry).collect();
        Self(Arc::new(Entries { core: Arc::clone(core), list }))
    }

    /// Takes so many units more, even if they are not there; how the bucket stands then. `None` if this limit was not
    /// about the request.
    ///
    /// # Errors
    ///
    /// When the store fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it may have taken them or not.
    pub async fn charge(&self, limit: &str, units: u32) -> Result<Option<Standing>, St::Error> {
        self.act(limit, Act::Charge(units)).await
    }

    /// Gives so many units back; how the bucket stands then. `None` if this limit was not about the request.
    ///
    /// # Errors
    ///
    /// When the store fails.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it may have given them back or not.
    pub async fn refund(&self, limit: &str, units: u32) -> Result<Option<Standing>, St::Error> {
        self.act(limit, Act::Refund(units)).await
    }

    /// How the bucket stands, without taking anything. `None` if this limit was not about the request.
    ///
    /// # Errors
    ///
    /// When the store fails.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing, whenever it is dropped.
    pub async fn standing(&self, limit: &str) -> Result<Option<Standing>, St::Error> {
        self.act(limit, Act::Take { cost: 0, enforced: false }).await
    }

    async fn act(&self, limit: &str, act: Act) -> Result<Option<Standing>, St::Error> {
        let (reply, quota) = {
            let Some((entry, armed)) = self.entries().find(|(_, armed)| armed.limit.name == limit) else {
                return Ok(None);
            };
            let mut asks = Asks::new();
            asks.push(&armed.buckets, entry.key.key(), entry.quota, act);
            (self.0.core.store.decide(&asks), entry.quota)
        };
        let decision = match reply {
            Reply::Now(decision) => decision?,
            Reply::Later(deciding) => deciding.await?,
        };
        Ok(Some(decision.standing(0, quota)))
    }

    fn entries(&self) -> impl Iterator<Item = (&Entry, &crate::core::Armed<St::Limit>)> {
        self.0.list.iter().map(|entry| (entry, &self.0.core.limits[usize::from(entry.index)]))
    }

    /// Changes what was taken as the answer has it. `None` if there is nothing to change; with the store's reply the time
    /// that it has.
    pub(crate) fn settle(&self, answer: &Answer<'_>) -> Option<(Reply<St::Deciding>, Duration)> {
        let (mut asks, mut time) = (Asks::new(), Duration::ZERO);
        for (entry, armed) in self.entries() {
            let Some(settle) = armed.limit.settle_with() else { continue };
            // A limit that panics changes nothing (RLM-16).
            let settlement = catch_unwind(AssertUnwindSafe(|| settle(answer))).unwrap_or_else(|_| {
                telemetry::closure_panicked(Some(armed.limit.name));
                Settlement::Keep
            });
            let act = match settlement {
                Settlement::Refund if entry.taken > 0 => Act::Refund(entry.taken),
                Settlement::Keep | Settlement::Refund => continue,
                Settlement::Charge(units) => Act::Charge(units),
            };
            asks.push(&armed.buckets, entry.key.key(), entry.quota, act);
            time = time.max(armed.limit.time_out);
        }
        (!asks.is_empty()).then(|| (self.0.core.store.decide(&asks), time))
    }
}

impl<St: RateStore> Clone for Tab<St> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<St: RateStore> fmt::Debug for Tab<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entries().map(|(entry, armed)| (armed.limit.name, entry.taken));
        f.debug_map().entries(names).finish()
    }
}
