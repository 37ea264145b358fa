use buttress_core::CorrelationId;
use http::Request;

use crate::{
    baggage::Baggage,
    current::{Carried, Current, trace_of},
    generate::MakeCorrelationId,
    seen::{Accepted, Line, Seen},
    settings::{OuterTrace, Policy, Settings},
    trace_context::{TRACEPARENT, TRACESTATE, TraceContext},
};

/// The valid id that a caller sent where it was not kept: a request extension (COR-8).
///
/// For logs and searches. Somebody else chose it, so it proves nothing and may not be unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OuterCorrelationId(pub CorrelationId);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inbound {
    Accepted,
    Refused,
}

/// What is thought of a caller.
#[derive(Clone, Copy)]
struct Caller {
    /// The place of the name under which an id was sent, be it valid or not.
    place: Option<usize>,
    trusted: bool,
}

/// Chooses id and trace of a request, and writes them into its headers and extensions and into `current`.
// There at once, as they are not small.
#[inline]
pub(crate) fn receive<B>(
    request: &mut Request<B>,
    settings: &Settings,
    make: &impl MakeCorrelationId,
    current: &mut Option<Current>,
) -> Inbound {
    let trusted = settings.trusts(request.extensions());
    let Seen { theirs, carries } = Seen::of(request.headers(), &settings.accepted);
    let place = theirs.map(|line| line.place);
    *current = theirs.and_then(Line::id).map(|id| Current { id, carried: None });
    let carried = if carries { carried(request, settings, trusted) } else { None };
    let mut inbound = Inbound::Accepted;
    match current {
        Some(kept) if trusted && settings.policy != Policy::Replace => {
            // Mostly there is none, and nothing in its place to be dropped.
            if carried.is_some() {
                kept.carried = carried;
            }
            if !settings.accepted.is_own(place) {
                request.headers_mut().insert(settings.header(), kept.id.to_header_value());
            }
        }
        _ => inbound = replace(request, settings, make, Caller { place, trusted }, carried, current),
    }
    if let Some(current) = current {
        request.extensions_mut().insert(current.id.clone());
    }
    inbound
}

/// Gives a request an id of ours.
#[inline]
fn replace<B>(
    request: &mut Request<B>,
    settings: &Settings,
    make: &impl MakeCorrelationId,
    Caller { place, trusted }: Caller,
    mut carried: Option<Box<Carried>>,
    current: &mut Option<Current>,
) -> Inbound {
    let theirs = current.take().map(|current| current.id);
    let refused = settings.policy == Policy::Strict && place.is_some() && theirs.is_none();
    if place.is_some() {
        put_aside(request, theirs, &settings.accepted);
    }
    // Of a caller who is not trusted only the trace can be carried.
    let by_trace = settings.id_from_trace && (trusted || carried.is_none());
    let id = if by_trace { by_trace_id(&mut carried) } else { make.make_correlation_id() };
    request.headers_mut().insert(settings.header(), id.to_header_value());
    *current = Some(Current { id, carried });
    if refused { Inbound::Refused } else { Inbound::Accepted }
}

/// Takes away what is not kept, so that nobody below takes it up. What is valid of it can be looked up.
#[inline(never)]
fn put_aside<B>(request: &mut Request<B>, outer: Option<CorrelationId>, accepted: &Accepted) {
    for name in accepted.names() {
        request.headers_mut().remove(name);
    }
    if let Some(id) = outer {
        request.extensions_mut().insert(OuterCorrelationId(id));
    }
}

fn by_trace_id(carried: &mut Option<Box<Carried>>) -> CorrelationId {
    trace_of(carried).parent().trace_id().to_correlation_id()
}

/// What a request brings along beside its id; `None` when its trace begins here and it has no baggage.
#[inline(never)]
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
