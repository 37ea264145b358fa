use std::{net::IpAddr, sync::Arc};

use http::HeaderName;
use tower_layer::Layer;

use crate::{
    generate::{MakeCorrelationId, UuidV7},
    service::Correlation,
    settings::{OuterTrace, Policy, Settings, Trust},
    unanswered::{Hook, Unanswered},
};

/// Gives every request one id and one trace: see the [front page](crate).
///
/// Put it outermost, so that the answers of all other layers carry the id (COR-9).
///
/// # Examples
///
/// ```
/// use buttress_correlation_id::{CorrelationLayer, Policy};
/// use http::HeaderName;
///
/// let layer = CorrelationLayer::new()
///     .accept([HeaderName::from_static("x-request-id")])
///     .policy(Policy::Strict)
///     .trusted_when(|address| address.is_loopback());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct CorrelationLayer<M = UuidV7> {
    settings: Arc<Settings>,
    make: M,
}

impl CorrelationLayer {
    /// The layer with its defaults: see the table on the [front page](crate#defaults).
    pub fn new() -> Self {
        Self { settings: Arc::default(), make: UuidV7 }
    }
}

impl Default for CorrelationLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> CorrelationLayer<M> {
    /// The header that carries the id to the service below and back to the caller.
    /// `x-correlation-id` unless said otherwise.
    pub fn header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.set_ends(|ends| ends.header = name))
    }

    /// The headers in which a caller may send an id; the first one that is there decides.
    /// `x-correlation-id`, then `x-request-id` unless said otherwise; none at all makes every id a new one.
    pub fn accept(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.set(|settings| settings.set_accepted(names.into_iter().collect()))
    }

    /// What happens to a caller's id. [`Policy::Keep`] unless said otherwise.
    pub fn policy(self, policy: Policy) -> Self {
        self.set(|settings| settings.policy = policy)
    }

    /// Trusts only peers for whose address this is true; everybody unless said otherwise (COR-8).
    ///
    /// The peer is that of the [`PeerAddr`](buttress_core::PeerAddr) extension; a request without one is not trusted.
    /// IPv4 addresses in IPv6 form are asked about in IPv4 form. Who is not trusted gets a new id in any case, and the
    /// trace that [`CorrelationLayer::outer_trace`] says.
    pub fn trusted_when(self, trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.trust = Some(Trust(Arc::new(trusted))))
    }

    /// Trusts only peers in these networks: see [`CorrelationLayer::trusted_when`]. No network at all trusts nobody.
    #[cfg(feature = "ipnet")]
    pub fn trusted_peers(self, networks: impl IntoIterator<Item = ipnet::IpNet>) -> Self {
        let networks: Vec<_> = networks.into_iter().collect();
        self.trusted_when(move |address| networks.iter().any(|network| network.contains(&address)))
    }

    /// What happens to the trace of a caller who is not trusted. [`OuterTrace::Unsampled`] unless said otherwise.
    pub fn outer_trace(self, outer_trace: OuterTrace) -> Self {
        self.set(|settings| settings.outer_trace = outer_trace)
    }

    /// Makes no ids: takes the 32 digits of the trace id where one would be made. Off unless said otherwise.
    ///
    /// A trace id that an untrusted caller chose is not taken; the request gets an id from the generator then.
    pub fn id_from_trace(self, by_trace: bool) -> Self {
        self.set(|settings| settings.id_from_trace = by_trace)
    }

    /// Whether [`Baggage`](crate::Baggage) of trusted peers is taken along. Off unless said otherwise (COR-6).
    pub fn baggage(self, baggage: bool) -> Self {
        self.set(|settings| settings.baggage = baggage)
    }

    /// Whether a span `request` with `correlation_id`, `trace_id` and, where there is one, `outer_correlation_id` is
    /// opened, at level info. It is unless said otherwise, but not where no subscriber wants that level: the
    /// feature `log` of `tracing` is no subscriber.
    pub fn span(self, span: bool) -> Self {
        self.set(|settings| settings.span = span)
    }

    /// Tells of requests that end without an answer, beside the event: see [`Unanswered`].
    ///
    /// Runs on the request's thread, also while it unwinds: let it be short. If it panics, that is told as an event, and
    /// goes no further.
    pub fn on_unanswered(self, hook: impl Fn(&Unanswered<'_>) + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.set_ends(|ends| ends.hook = Some(Hook::new(hook))))
    }

    /// Makes new ids in another way; UUIDs of version 7 unless said otherwise.
    pub fn make_with<N: MakeCorrelationId>(self, make: N) -> CorrelationLayer<N> {
        CorrelationLayer { settings: self.settings, make }
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S, M: Clone> Layer<S> for CorrelationLayer<M> {
    type Service = Correlation<S, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Correlation::new(inner, self.settings.clone(), self.make.clone())
    }
}
