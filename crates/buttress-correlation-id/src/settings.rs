use std::{fmt, net::IpAddr, sync::Arc};

use buttress_core::{CorrelationId, PeerAddr};
use http::{Extensions, HeaderName};

use crate::{seen::Accepted, unanswered::Hook};

/// What happens to the id that a caller sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// A valid id is kept, a bad one is replaced.
    #[default]
    Keep,
    /// Every request gets a new id; a valid one of the caller's becomes its
    /// [`OuterCorrelationId`](crate::OuterCorrelationId).
    Replace,
    /// A valid id is kept, a bad one is refused with 400 and the code `bad_request`.
    Strict,
}

/// What happens to the trace of a caller who is not trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OuterTrace {
    /// It goes on as it came, sampled if the caller says so.
    Keep,
    /// It goes on, but nobody records it on the caller's word: the sampled flag is cleared (COR-14).
    #[default]
    Unsampled,
    /// A new trace begins here, and the caller's `tracestate` ends.
    Restart,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Under which names callers send the id.
    pub(crate) accepted: Accepted,
    pub(crate) policy: Policy,
    /// `None`: everybody is trusted.
    pub(crate) trust: Option<Trust>,
    pub(crate) outer_trace: OuterTrace,
    pub(crate) id_from_trace: bool,
    pub(crate) baggage: bool,
    pub(crate) span: bool,
    /// `None`: as most have it, so that there is nothing to share.
    pub(crate) ends: Option<Arc<Ends>>,
}

/// What a request needs to know when it has ended.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Under which name the id goes on and back.
    pub(crate) header: HeaderName,
    pub(crate) hook: Option<Hook>,
}

impl Settings {
    /// The name under which the id goes on and back.
    #[inline]
    pub(crate) fn header(&self) -> HeaderName {
        header_of(&self.ends)
    }

    pub(crate) fn set_ends(&mut self, set: impl FnOnce(&mut Ends)) {
        set(Arc::make_mut(self.ends.get_or_insert_with(Arc::default)));
        self.set_accepted(self.accepted.names().to_vec());
    }

    pub(crate) fn set_accepted(&mut self, names: Vec<HeaderName>) {
        self.accepted = Accepted::new(names, &self.header());
    }

    /// Whether a peer's word counts.
    #[inline]
    pub(crate) fn trusts(&self, extensions: &Extensions) -> bool {
        self.trust.as_ref().is_none_or(|trust| trust.covers(extensions))
    }
}

/// `x-correlation-id`, unless somebody said otherwise.
#[inline]
pub(crate) fn header_of(ends: &Option<Arc<Ends>>) -> HeaderName {
    ends.as_ref().map_or(CorrelationId::HEADER, |ends| ends.header.clone())
}

impl Default for Ends {
    fn default() -> Self {
        Self { header: CorrelationId::HEADER, hook: None }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accepted: Accepted::new(
                vec![CorrelationId::HEADER, HeaderName::from_static("x-request-id")],
                &CorrelationId::HEADER,
            ),
            policy: Policy::default(),
            trust: None,
            outer_trace: OuterTrace::default(),
            id_from_trace: false,
            baggage: false,
            span: true,
            ends: None,
        }
    }
}

/// Says whether a peer is trusted.
#[derive(Clone)]
pub(crate) struct Trust(pub(crate) Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl Trust {
    /// A peer that is not known is not trusted.
    #[inline(never)]
    fn covers(&self, extensions: &Extensions) -> bool {
        extensions.get::<PeerAddr>().is_some_and(|peer| (self.0)(peer.0.ip().to_canonical()))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}
