use http::{HeaderMap, HeaderName};

use crate::{random::with_generator, trace_parent::TraceParent, trace_state::TraceState};

/// The field of W3C Trace Context that says which trace a call belongs to.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The field beside it, for tracing systems among themselves.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The place of a request in a distributed trace: `traceparent` and `tracestate`.
///
/// A request extension where the caller sent one. A trace that begins here is no extension;
/// [`current_trace`](crate::current_trace) knows both.
///
/// # Examples
///
/// ```
/// use buttress_correlation_id::TraceContext;
/// use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("traceparent", HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
/// headers.append("tracestate", HeaderValue::from_static("rojo=1"));
/// headers.append("tracestate", HeaderValue::from_static("congo=2"));
///
/// let context = TraceContext::from_headers(&headers).expect("a valid traceparent");
/// let mut outgoing = HeaderMap::new();
/// context.child().write(&mut outgoing);
/// assert!(outgoing["traceparent"].to_str()?.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
/// assert_eq!(outgoing["tracestate"], "rojo=1,congo=2");
/// # Ok::<(), http::header::ToStrError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    parent: TraceParent,
    state: Option<TraceState>,
}

impl TraceContext {
    /// A context of these two.
    #[must_use]
    pub fn new(parent: TraceParent, state: Option<TraceState>) -> Self {
        Self { parent, state }
    }

    /// A new trace, not sampled, without state.
    #[must_use]
    pub fn begin() -> Self {
        Self::new(with_generator(|generator| TraceParent::begin(|| generator.random.next())), None)
    }

    /// Reads a request's context: `None` when `traceparent` is missing, invalid or there more than once (COR-1).
    ///
    /// A `tracestate` that is invalid counts as empty; it does no harm to `traceparent` (COR-3).
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(&TRACEPARENT).iter();
        let parent = TraceParent::read(lines.next()?.as_bytes())?;
        if lines.next().is_some() {
            return None;
        }
        let state = TraceState::from_values(headers.get_all(&TRACESTATE)).ok().flatten();
        Some(Self { parent, state })
    }

    /// What a call made on behalf of this one carries: the same, but for a parent id of its own (COR-2).
    #[must_use]
    pub fn child(&self) -> Self {
        let parent = with_generator(|generator| self.parent.child(|| generator.random.next()));
        Self { parent, state: self.state.clone() }
    }

    /// Writes both fields in place of what is there; without state there is no `tracestate` (COR-3).
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.parent.to_header_value());
        match &self.state {
            Some(state) => headers.insert(TRACESTATE, state.to_header_value()),
            None => headers.remove(&TRACESTATE),
        };
    }

    /// Which trace, and which call of it.
    #[must_use]
    pub fn parent(&self) -> &TraceParent {
        &self.parent
    }

    /// What tracing systems tell each other, if anything.
    #[must_use]
    pub fn state(&self) -> Option<&TraceState> {
        self.state.as_ref()
    }

    /// The same place, with this state.
    #[must_use]
    pub fn with_state(self, state: Option<TraceState>) -> Self {
        Self { state, ..self }
    }

    /// The same trace, not recorded, under a parent id of its own as W3C asks (COR-14).
    pub(crate) fn unsampled(&self) -> Self {
        let child = self.child();
        Self { parent: child.parent.with_sampled(false), ..child }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-03";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    // COR-1
    #[test]
    fn a_doubled_traceparent_is_none() {
        assert!(TraceContext::from_headers(&headers(&[("traceparent", PARENT)])).is_some());
        for pairs in [[("traceparent", PARENT); 2], [("traceparent", PARENT), ("traceparent", "nonsense")]] {
            assert_eq!(TraceContext::from_headers(&headers(&pairs)), None);
        }
    }

    // COR-3
    #[test]
    fn an_invalid_tracestate_does_no_harm_to_traceparent() {
        let context = TraceContext::from_headers(&headers(&[("traceparent", PARENT), ("tracestate", "NO")])).unwrap();
        assert_eq!((context.parent().to_string().as_str(), context.state()), (PARENT, None));
    }

    // COR-3
    #[test]
    fn a_tracestate_without_traceparent_is_dropped() {
        assert_eq!(TraceContext::from_headers(&headers(&[("tracestate", "foo=1")])), None);
        let mut outgoing = headers(&[("tracestate", "foo=1"), ("tracestate", "bar=1")]);
        TraceContext::begin().write(&mut outgoing);
        assert!(!outgoing.contains_key("tracestate"));
    }

    // COR-2
    #[test]
    fn children_differ_in_their_parent_id_alone() {
        let context =
            TraceContext::from_headers(&headers(&[("traceparent", PARENT), ("tracestate", "foo=1")])).unwrap();
        let (one, two) = (context.child(), context.child());
        assert_ne!(one, two);
        assert_eq!(one.state(), context.state());
        for child in [one.parent(), two.parent()] {
            assert_ne!(child.parent_id(), context.parent().parent_id());
            assert_eq!((child.trace_id(), child.sampled(), child.random()), (context.parent().trace_id(), true, true));
        }
    }

    // COR-14
    #[test]
    fn what_is_not_to_be_sampled_gets_a_parent_id_of_its_own() {
        let context = TraceContext::from_headers(&headers(&[("traceparent", PARENT)])).unwrap();
        let unsampled = context.unsampled();
        assert!(!unsampled.parent().sampled() && unsampled.parent().random());
        assert_ne!(unsampled.parent().parent_id(), context.parent().parent_id());
    }
}
