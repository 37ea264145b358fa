use buttress_core::CorrelationId;
use buttress_correlation_id::CorrelationLayer;
use http::HeaderValue;
use tower::ServiceBuilder;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

use crate::{
    BARE, Case, Group, Operation,
    http::{Asked, bare, json, operation, plain_request, request},
};

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new(
            "correlation id, made",
            [
                Case::new(BARE, || alone(request)),
                Case::new("buttress", || ours(request)),
                Case::new("tower-http", || tower_http(request)),
            ],
        ),
        Group::new(
            "correlation id, made, no extension before it",
            [
                Case::new(BARE, || alone(plain_request)),
                Case::new("buttress", || ours(plain_request)),
                Case::new("tower-http", || tower_http(plain_request)),
            ],
        ),
        Group::new(
            "correlation id, kept",
            [
                Case::new(BARE, || alone(with_id)),
                Case::new("buttress", || ours(with_id)),
                Case::new("tower-http", || tower_http(with_id)),
            ],
        ),
    ]
}

fn with_id() -> Asked {
    let mut request = request();
    let id = HeaderValue::from_static("0198c5a4-6c1e-7d2a-9b3f-2a64c8e1d705");
    request.headers_mut().insert(CorrelationId::HEADER, id);
    request
}

fn alone(request: fn() -> Asked) -> Operation {
    operation(bare(json(200)), request)
}

fn ours(request: fn() -> Asked) -> Operation {
    operation(ServiceBuilder::new().layer(CorrelationLayer::new()).service(bare(json(200))), request)
}

fn tower_http(request: fn() -> Asked) -> Operation {
    let stack = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(CorrelationId::HEADER, MakeRequestUuid))
        .layer(PropagateRequestIdLayer::new(CorrelationId::HEADER));
    operation(stack.service(bare(json(200))), request)
}
