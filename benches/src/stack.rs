use std::time::Duration;

use buttress_circuit_breaker::{BreakerLayer, Policy, Window};
use buttress_core::CorrelationId;
use buttress_correlation_id::CorrelationLayer;
use buttress_envelope::EnvelopeLayer;
use buttress_rate_limit::{ClientAddr, Limit, RateLimitLayer};
use buttress_request_log::RequestLogLayer;
use buttress_retry::RetryLayer;
use tower::{ServiceBuilder, ServiceExt, timeout::TimeoutLayer};
use tower_http::{
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};

use crate::{
    BARE, Case, Group, Operation,
    envelope::{again, with_raw_value, with_value},
    http::{bare, json, operation, request},
    retry::{call, get, of_tower, server},
};

/// Id, log and envelope, in this order, over an answer of 200 bytes.
pub(super) fn group(name: &'static str) -> Group {
    Group::new(
        name,
        [
            Case::new(BARE, || operation(bare(json(200)), request)),
            Case::new("buttress", ours),
            Case::new("tower-http and serde_json, `Value`", || peers(with_value)),
            Case::new("tower-http and serde_json, `RawValue`", || peers(with_raw_value)),
        ],
    )
}

fn ours() -> Operation {
    let stack =
        ServiceBuilder::new().layer(CorrelationLayer::new()).layer(RequestLogLayer::new()).layer(EnvelopeLayer::new());
    operation(stack.service(bare(json(200))), request)
}

fn peers(wrap: fn(&[u8]) -> Vec<u8>) -> Operation {
    let stack = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(CorrelationId::HEADER, MakeRequestUuid))
        .layer(TraceLayer::new_for_http())
        .layer(PropagateRequestIdLayer::new(CorrelationId::HEADER));
    operation(stack.service(bare(json(200)).and_then(move |answer| again(answer, wrap))), request)
}

/// All that a call to a provider passes: id, limit, retry, breaker, time-out.
pub(super) fn calls() -> Group {
    Group::new(
        "five layers",
        [
            Case::new(BARE, || call(server(), get)),
            Case::new("buttress, with tower's time-out", || in_runtime(ours_for_calls)),
            Case::new("tower-http and tower, without limit and breaker", || in_runtime(theirs_for_calls)),
        ],
    )
}

const SECOND: Duration = Duration::from_secs(1);

fn ours_for_calls() -> Operation {
    let quota = "1000000/s burst 4000000000".parse().expect("a quota");
    let limit = Limit::new("address", quota, ClientAddr::peer());
    let stack = ServiceBuilder::new()
        .layer(CorrelationLayer::new())
        .layer(RateLimitLayer::new([limit]).expect("good limits"))
        .layer(RetryLayer::new())
        .layer(BreakerLayer::new("provider", Policy::new(Window::time(30 * SECOND))).expect("a sane policy"))
        .layer(TimeoutLayer::new(10 * SECOND));
    call(stack.service(server()), get)
}

fn theirs_for_calls() -> Operation {
    let stack = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(CorrelationId::HEADER, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(CorrelationId::HEADER))
        .layer(of_tower())
        .layer(TimeoutLayer::new(10 * SECOND));
    call(stack.service(server()), get)
}

/// Timers need one.
fn in_runtime(make: fn() -> Operation) -> Operation {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut operation = make();
    Box::new(move || {
        let _entered = runtime.enter();
        operation();
    })
}
