use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, StatusCode};

use crate::{Head, Key, KeyBy, Quota, SharedQuota, in_flight::InFlight, key_by::FindKey, shared_quota::QuotaSource};

/// One limit: its name, whom it counts, and how much it lets pass.
///
/// | setting | default |
/// |---|---|
/// | [`only_for`](Self::only_for) | every request that has a key |
/// | [`cost`](Self::cost) | 1 for each request |
/// | [`quota_by`](Self::quota_by), [`quota_from`](Self::quota_from) | the quota of [`new`](Self::new) |
/// | [`settle`](Self::settle) | what was taken stays taken |
/// | [`shadow`](Self::shadow), [`enforce_for`](Self::enforce_for) | enforced for all keys |
/// | [`on_failure`](Self::on_failure) | [`Failure::Open`] |
/// | [`time_out`](Self::time_out) | 20 ms for the store |
/// | [`reason`](Self::reason) | [`Reason::Quota`] |
///
/// Settings that one kind of limit has no use for change nothing about it.
///
/// # Examples
///
/// ```
/// use buttress_rate_limit::{ClientAddr, Failure, Limit};
/// use http::Method;
///
/// let per_address = Limit::new("address", "120/min burst 40".parse()?, ClientAddr::peer());
/// let costly = Limit::new("images", "10/min burst 5".parse()?, ClientAddr::peer())
///     .only_for(|head| head.method() == Method::POST && head.path() == "/images")
///     .on_failure(Failure::Closed);
/// let at_once = Limit::concurrent("streams", 10, ClientAddr::peer());
/// # Ok::<(), buttress_rate_limit::InvalidQuota>(())
/// ```
#[must_use]
pub struct Limit {
    pub(crate) name: &'static str,
    pub(crate) key: Box<dyn FindKey>,
    pub(crate) only_for: Option<Box<Pick>>,
    pub(crate) kind: Kind,
    /// For how many in a hundred keys it is enforced.
    pub(crate) enforced: u8,
    pub(crate) failure: Failure,
    pub(crate) time_out: Duration,
    pub(crate) reason: Reason,
}

pub(crate) enum Kind {
    Rate(Rate),
    Concurrent(Concurrent),
}

pub(crate) struct Rate {
    pub(crate) quota: QuotaSource,
    pub(crate) quota_by: Option<Box<QuotaBy>>,
    pub(crate) cost: Option<Box<Cost>>,
    pub(crate) settle: Option<Box<Settle>>,
}

pub(crate) struct Concurrent {
    pub(crate) most: u32,
    pub(crate) reserved: Option<(u32, Box<Pick>)>,
    pub(crate) in_flight: Arc<InFlight>,
}

pub(crate) type Pick = dyn Fn(&Head<'_>) -> bool + Send + Sync;
type QuotaBy = dyn Fn(&Head<'_>, &Key<'_>) -> Option<Quota> + Send + Sync;
type Cost = dyn Fn(&Head<'_>) -> u32 + Send + Sync;
pub(crate) type Settle = dyn Fn(&Answer<'_>) -> Settlement + Send + Sync;

/// What happens to requests when the store fails, or does not answer in time, or a part of the limit panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// They pass.
    Open,
    /// They are refused: 503. Those for which the limit is not enforced pass; where a part of it panicked, if it is enforced
    /// for nobody.
    Closed,
    /// They are counted in this process, in a [`MemoryStore`](crate::MemoryStore) of its own. Where a part of the limit
    /// panicked there is nothing to count, and they pass.
    Local,
}

/// Why a limit refuses, which decides how (RLM-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The caller has used up its quota: 429, `quota-exceeded`.
    Quota,
    /// The caller behaves as nobody should: 429, `abnormal-usage-detected`.
    Abuse,
    /// The server can take less than usual: 503, `temporary-reduced-capacity`.
    Capacity,
}

/// The head of an answer, on its way out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its extensions, in which the handler may have left what the request cost.
    pub extensions: &'a Extensions,
}

/// What an answer changes about the units that its request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settlement {
    /// Nothing.
    Keep,
    /// What was taken is given back: nothing for a shadow that found too few, or where the store did not decide.
    Refund,
    /// So many more are taken, even if they are not there.
    Charge(u32),
}

impl Limit {
    /// Counts units, by key.
    ///
    /// The name is shown to callers: 1 to 32 letters, digits, `.`, `_` and `-`, as is checked when a layer is made.
    pub fn new(name: &'static str, quota: Quota, key: impl KeyBy) -> Self {
        let rate = Rate { quota: QuotaSource::Fixed(quota), quota_by: None, cost: None, settle: None };
        Self::of(name, Kind::Rate(rate), key)
    }

    /// Counts requests that are under way, by key: from the moment they are let in until the body of their answer ends,
    /// or is dropped (RLM-13). They are counted in this process, whatever the store. A connection that is upgraded counts
    /// only until the answer that upgrades it has been sent.
    ///
    /// Who finds no place is refused with 429, and told to come back in a second, or when rates that are used up as well let
    /// it: the store is asked how they stand, and nothing is taken. Memory is taken for as many keys as were ever under way
    /// at once, some dozens of bytes for each.
    pub fn concurrent(name: &'static str, most: u32, key: impl KeyBy) -> Self {
        let concurrent = Concurrent { most, reserved: None, in_flight: Arc::new(InFlight::new()) };
        Self::of(name, Kind::Concurrent(concurrent), key)
    }

    fn of(name: &'static str, kind: Kind, key: impl KeyBy) -> Self {
        Self {
            name,
            key: Box::new(key),
            only_for: None,
            kind,
            enforced: 100,
            failure: Failure::Open,
            time_out: Duration::from_millis(20),
            reason: Reason::Quota,
        }
    }

    /// Leaves all other requests alone.
    pub fn only_for(mut self, pick: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.only_for = Some(Box::new(pick));
        self
    }

    /// What a request costs, in units; 0 is let through whatever is left.
    ///
    /// A cost above the burst can never pass: 413, without `Retry-After` (RLM-9).
    pub fn cost(mut self, cost: impl Fn(&Head<'_>) -> u32 + Send + Sync + 'static) -> Self {
        if let Kind::Rate(rate) = &mut self.kind {
            rate.cost = Some(Box::new(cost));
        }
        self
    }

    /// Takes its quota from one that can change while it is in use.
    pub fn quota_from(mut self, quota: &SharedQuota) -> Self {
        if let Kind::Rate(rate) = &mut self.kind {
            rate.quota = QuotaSource::Shared(quota.clone());
        }
        self
    }

    /// The quota of a request's key, by the plan that its user has paid for, say; `None` is the quota of the limit.
    pub fn quota_by(mut self, quota: impl Fn(&Head<'_>, &Key<'_>) -> Option<Quota> + Send + Sync + 'static) -> Self {
        if let Kind::Rate(rate) = &mut self.kind {
            rate.quota_by = Some(Box::new(quota));
        }
        self
    }

    /// Looks at each answer whether units are given back, or more are taken.
    ///
    /// The answer goes out when the store has done so, or its [time](Self::time_out) is over. Requests that were refused
    /// have no such answer, nor have those at which the service fails: what these took stays taken.
    ///
    /// ```
    /// # use buttress_rate_limit::{ClientAddr, Limit, Settlement};
    /// # let tokens = Limit::new("tokens", "100000/day".parse()?, ClientAddr::peer());
    /// // Failures of ours cost nothing, and answers cost the tokens that they took.
    /// struct TokensUsed(u32);
    /// let tokens = tokens.settle(|answer| match answer.extensions.get::<TokensUsed>() {
    ///     _ if answer.status.is_server_error() => Settlement::Refund,
    ///     Some(TokensUsed(count)) => Settlement::Charge(*count),
    ///     None => Settlement::Keep,
    /// });
    /// # Ok::<(), buttress_rate_limit::InvalidQuota>(())
    /// ```
    pub fn settle(mut self, settle: impl Fn(&Answer<'_>) -> Settlement + Send + Sync + 'static) -> Self {
        if let Kind::Rate(rate) = &mut self.kind {
            rate.settle = Some(Box::new(settle));
        }
        self
    }

    /// Keeps so many places of a concurrency limit for the requests that `critical` picks; the others find it full
    /// earlier, and are told so with 503 (RLM-14).
    pub fn reserve(mut self, places: u32, critical: impl Fn(&Head<'_>) -> bool + Send + Sync + 'static) -> Self {
        if let Kind::Concurrent(concurrent) = &mut self.kind {
            concurrent.reserved = Some((places, Box::new(critical)));
            self.reason = Reason::Capacity;
        }
        self
    }

    /// Counts and tells, and refuses nobody (RLM-15): not a request without a key either, nor when the store fails.
    pub fn shadow(self) -> Self {
        self.enforce_for(0)
    }

    /// Refuses only so many in a hundred keys, always the same ones, and tells of the others (RLM-15). Above 100 is 100.
    pub fn enforce_for(mut self, percent: u8) -> Self {
        self.enforced = percent.min(100);
        self
    }

    /// What happens when the store fails (RLM-11, RLM-16).
    pub fn on_failure(mut self, failure: Failure) -> Self {
        self.failure = failure;
        self
    }

    /// How long the store may take before it counts as failed.
    ///
    /// It is asked about all limits of a request at once: it has the longest of their times, but no more than a limit gives
    /// that is [`Failure::Closed`]. What an answer changes has the longest time of the limits that
    /// [`settle`](Self::settle).
    pub fn time_out(mut self, time_out: Duration) -> Self {
        self.time_out = time_out;
        self
    }

    /// Why it refuses.
    pub fn reason(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }

    /// Whether it refuses nobody, whatever happens (RLM-15).
    pub(crate) fn is_shadow(&self) -> bool {
        self.enforced == 0
    }

    /// What happens when a part of it panics.
    pub(crate) fn on_panic(&self) -> Failure {
        match self.failure {
            Failure::Closed if !self.is_shadow() => Failure::Closed,
            _ => Failure::Open,
        }
    }

    pub(crate) fn settle_with(&self) -> Option<&Settle> {
        match &self.kind {
            Kind::Rate(rate) => rate.settle.as_deref(),
            Kind::Concurrent(_) => None,
        }
    }

    /// Its quota, if all that is to be found out about a request is its key.
    pub(crate) fn plain(&self) -> Option<Quota> {
        match &self.kind {
            Kind::Rate(rate) if self.only_for.is_none() && self.enforced >= 100 && rate.cost.is_none() => {
                rate.fixed().copied()
            }
            Kind::Rate(_) | Kind::Concurrent(_) => None,
        }
    }

    /// Most requests at once of this key that this request may be one of.
    pub(crate) fn places(concurrent: &Concurrent, head: &Head<'_>) -> u32 {
        match &concurrent.reserved {
            Some((kept, critical)) if !critical(head) => concurrent.most.saturating_sub(*kept),
            _ => concurrent.most,
        }
    }
}

impl Rate {
    /// The quota of every request, if there is but one.
    #[inline]
    pub(crate) fn fixed(&self) -> Option<&Quota> {
        match &self.quota {
            QuotaSource::Fixed(quota) if self.quota_by.is_none() => Some(quota),
            QuotaSource::Fixed(_) | QuotaSource::Shared(_) => None,
        }
    }

    /// The quota of a request with this key.
    pub(crate) fn quota(&self, head: &Head<'_>, key: &Key<'_>) -> Quota {
        let own = self.quota_by.as_ref().and_then(|quota_by| quota_by(head, key));
        own.unwrap_or_else(|| self.quota.quota())
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Limit");
        shown.field("name", &self.name);
        match &self.kind {
            Kind::Rate(rate) => shown.field("quota", &rate.quota.quota()),
            Kind::Concurrent(concurrent) => shown.field("most", &concurrent.most),
        };
        shown.field("enforced", &self.enforced).field("failure", &self.failure).finish_non_exhaustive()
    }
}
