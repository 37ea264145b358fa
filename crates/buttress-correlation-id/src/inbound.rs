use buttress_core::CorrelationId;
use http::{HeaderMap, HeaderName, Request};

use crate::{
    baggage::Baggage,
    current::{Carried, Current, trace_of},
    generate::{MakeCorrelationId, from_text},
    settings::{OuterTrace, Policy, Settings},
    trace_context::{TRACEPARENT, TRACESTATE, TraceContext},
};

/// The valid id that a caller sent where it was not kept: a request extension (COR-8).
///
/// For logs and searches. Somebody else chose it, so it proves nothing and may not be unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OuterCorrelationId(pub CorrelationId);

/// What a request is to be known by.
pub(crate) struct Inbound {
    pub(crate) current: Current,
    pub(crate) outer: Option<CorrelationId>,
    pub(crate) refused: bool,
}

/// Chooses id and trace of a request, and writes them into its headers and extensions.
pub(crate) fn receive<B>(request: &mut Request<B>, settings: &Settings, make: &impl MakeCorrelationId) -> Inbound {
    let trusted = settings.trusts(request.extensions());
    let mut carried = carried(request, settings, trusted);
    let theirs = Theirs::read(request.headers(), &settings.accepted);
    let refused = settings.policy == Policy::Strict && matches!(theirs, Theirs::Bad);
    let (id, outer) = match theirs {
        Theirs::Valid(id, name) if trusted && settings.policy != Policy::Replace => {
            if name != settings.header {
                request.headers_mut().insert(settings.header.clone(), id.to_header_value());
            }
            (id, None)
        }
        theirs => {
            // Of a caller who is not trusted only the trace can be carried.
            let by_trace = settings.id_from_trace && (trusted || carried.is_none());
            let id = if by_trace { by_trace_id(&mut carried) } else { make.make_correlation_id() };
            replace(request.headers_mut(), &theirs, &id, settings);
            (id, theirs.valid())
        }
    };
    request.extensions_mut().insert(id.clone());
    if let Some(outer) = &outer {
        request.extensions_mut().insert(OuterCorrelationId(outer.clone()));
    }
    Inbound { current: Current { id, carried }, outer, refused }
}

fn by_trace_id(carried: &mut Option<Box<Carried>>) -> CorrelationId {
    from_text(trace_of(carried).parent().trace_id().text())
}

/// What the caller sent as an id. The first name that is there decides.
enum Theirs<'a> {
    None,
    Valid(CorrelationId, &'a HeaderName),
    /// Not an id, or more than one: a value that goes nowhere (COR-7, COR-10).
    Bad,
}

impl<'a> Theirs<'a> {
    fn read(headers: &HeaderMap, accepted: &'a [HeaderName]) -> Self {
        for name in accepted {
            let mut lines = headers.get_all(name).iter();
            let Some(first) = lines.next() else { continue };
            return match (CorrelationId::try_from(first), lines.next()) {
                (Ok(id), None) => Self::Valid(id, name),
                _ => Self::Bad,
            };
        }
        Self::None
    }

    fn valid(self) -> Option<CorrelationId> {
        match self {
            Self::Valid(id, _) => Some(id),
            Self::None | Self::Bad => None,
        }
    }
}

/// Puts our id where theirs was, so that nobody below takes up a value that was not kept.
fn replace(headers: &mut HeaderMap, theirs: &Theirs<'_>, id: &CorrelationId, settings: &Settings) {
    if !matches!(theirs, Theirs::None) {
        for name in &settings.accepted {
            headers.remove(name);
        }
    }
    headers.insert(settings.header.clone(), id.to_header_value());
}

/// What a request brings along beside its id; `None` when its trace begins here and it has no baggage.
fn carried<B>(request: &mut Request<B>, settings: &Settings, trusted: bool) -> Option<Box<Carried>> {
    let trace = trace(request, settings.outer_trace, trusted);
    let baggage = if settings.baggage && trusted { Baggage::from_headers(request.headers()) } else { None };
    if let Some(baggage) = &baggage {
        request.extensions_mut().insert(baggage.clone());
    }
    let nothing = trace.is_none() && baggage.is_none();
    (!nothing).then(|| Box::new(Carried { trace: trace.unwrap_or_else(TraceContext::begin), baggage }))
}

/// The trace of a request, or `None` when one begins here.
fn trace<B>(request: &mut Request<B>, outer_trace: OuterTrace, trusted: bool) -> Option<TraceContext> {
    let theirs = TraceContext::from_headers(request.headers())?;
    let kept = match outer_trace {
        OuterTrace::Unsampled if !trusted && theirs.parent().sampled() => {
            let trace = theirs.unsampled();
            // Whoever reads the headers below shall not be told otherwise.
            trace.write(request.headers_mut());
            trace
        }
        OuterTrace::Restart if !trusted => {
            request.headers_mut().remove(&TRACEPARENT);
            request.headers_mut().remove(&TRACESTATE);
            return None;
        }
        _ => theirs,
    };
    request.extensions_mut().insert(kept.clone());
    Some(kept)
}
