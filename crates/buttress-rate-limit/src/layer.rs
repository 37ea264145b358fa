use std::{fmt, sync::Arc, time::Duration};

use tower_layer::Layer;

use crate::{
    Fields, Head, InvalidLimits, Limit, MemoryStore, RateLimit, RateStore, Refused, core::Core, settings::Settings,
};

/// Refuses requests above one of its limits, all of which are one decision: a request that one of them refuses takes
/// from none.
///
/// | setting | default |
/// |---|---|
/// | store, [`with_store`](Self::with_store) | a [`MemoryStore`] of its own |
/// | [`exempt`](Self::exempt) | nothing |
/// | [`event_streams`](Self::event_streams) | `GET` with `text/event-stream` in `Accept` |
/// | [`fields`](Self::fields) | [`Fields::Draft`] |
/// | [`jitter`](Self::jitter) | none |
/// | [`on_refused`](Self::on_refused) | nothing |
/// | [`with_tab`](Self::with_tab) | off |
///
/// A clone, and every service made by it, counts into the same buckets.
#[must_use]
pub struct RateLimitLayer<St: RateStore = MemoryStore> {
    core: Arc<Core<St>>,
    settings: Arc<Settings>,
}

impl RateLimitLayer {
    /// With these limits, in the memory of this process.
    ///
    /// # Errors
    ///
    /// When there are none or more than [`MOST_LIMITS`](crate::MOST_LIMITS), two of one name, or one with a bad name or no
    /// time at all for its store.
    pub fn new(limits: impl IntoIterator<Item = Limit>) -> Result<Self, InvalidLimits> {
        Self::with_store(MemoryStore::default(), limits)
    }
}

impl<St: RateStore> RateLimitLayer<St> {
    /// With these limits, in this store.
    ///
    /// # Errors
    ///
    /// As for [`RateLimitLayer::new`].
    pub fn with_store(store: St, limits: impl IntoIterator<Item = Limit>) -> Result<Self, InvalidLimits> {
        let core = Core::new(store, limits.into_iter().collect())?;
        Ok(Self { core: Arc::new(core), settings: Arc::default() })
    }

    /// Leaves requests alone that this picks: neither counted nor refused nor told. A second choice takes the place of the
    /// first.
    pub fn exempt(self, pick: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.exempt = Some(Arc::new(pick)))
    }

    /// Which requests are for event streams, whose refusal is 200 with a `retry:` line (SSE-57).
    pub fn event_streams(self, pick: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.streams = Arc::new(pick))
    }

    /// Which fields answers carry, allowed and refused ones.
    pub fn fields(self, fields: Fields) -> Self {
        self.with(|settings| settings.fields = fields)
    }

    /// Adds up to this much to the wait that a refused caller is told, at random, so that callers who were refused
    /// together do not come back together (RLM-17).
    pub fn jitter(self, most: Duration) -> Self {
        self.with(|settings| settings.jitter = most)
    }

    /// Calls `hook` for every request that was refused, or would have been; a second hook takes the place of the first.
    ///
    /// Once about the limits that refuse it, and apart from that about shadows: about those of requests at once, and about
    /// those of rates.
    ///
    /// Let it be short. If it panics, the answer goes on.
    pub fn on_refused(self, hook: impl Fn(&Refused) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.hook = Some(Arc::new(hook)))
    }

    /// Puts a [`Tab`](crate::Tab) into the extensions of every request that passes, in place of one that a layer further out
    /// with a store of the same type has put there.
    pub fn with_tab(self) -> Self {
        self.with(|settings| settings.tab = true)
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<St: RateStore, S> Layer<S> for RateLimitLayer<St> {
    type Service = RateLimit<S, St>;

    fn layer(&self, inner: S) -> RateLimit<S, St> {
        RateLimit::new(inner, Arc::clone(&self.core), Arc::clone(&self.settings))
    }
}

impl<St: RateStore> Clone for RateLimitLayer<St> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), settings: Arc::clone(&self.settings) }
    }
}

impl<St: RateStore> fmt::Debug for RateLimitLayer<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("limits", &self.core).field("settings", &self.settings).finish()
    }
}
