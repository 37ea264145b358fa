use std::{fmt, net::IpAddr, sync::Arc};

use buttress_core::{CorrelationId, PeerAddr};
use http::{Extensions, HeaderName};

use crate::unanswered::Hook;

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
    /// Under which name the id goes on and back.
    pub(crate) header: HeaderName,
    /// Under which names callers send it.
    pub(crate) accepted: Vec<HeaderName>,
    pub(crate) policy: Policy,
    /// `None`: everybody is trusted.
    pub(crate) trust: Option<Trust>,
    pub(crate) outer_trace: OuterTrace,
    pub(crate) id_from_trace: bool,
    pub(crate) baggage: bool,
    pub(crate) span: bool,
    pub(crate) hook: Option<Hook>,
}

impl Settings {
    /// Whether a peer's word counts. One that is not known is not trusted.
    pub(crate) fn trusts(&self, extensions: &Extensions) -> bool {
        self.trust.as_ref().is_none_or(|Trust(trust)| {
            extensions.get::<PeerAddr>().is_some_and(|peer| trust(peer.0.ip().to_canonical()))
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            header: CorrelationId::HEADER,
            accepted: vec![CorrelationId::HEADER, HeaderName::from_static("x-request-id")],
            policy: Policy::default(),
            trust: None,
            outer_trace: OuterTrace::default(),
            id_from_trace: false,
            baggage: false,
            span: true,
            hook: None,
        }
    }
}

/// Says whether a peer is trusted.
#[derive(Clone)]
pub(crate) struct Trust(pub(crate) Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}
