use buttress_core::CorrelationId;
use buttress_correlation_id::CorrelationLayer;
use buttress_envelope::EnvelopeLayer;
use buttress_request_log::RequestLogLayer;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::{
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};

use crate::{
    BARE, Case, Group, Operation,
    envelope::{again, with_raw_value, with_value},
    http::{bare, json, operation, request},
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
