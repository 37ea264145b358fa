use buttress_request_log::RequestLogLayer;
use tower::ServiceBuilder;
use tower_http::trace::TraceLayer;

use crate::{
    BARE, Case, Group,
    http::{bare, json, operation, request},
};

pub(super) fn group(name: &'static str) -> Group {
    Group::new(
        name,
        [
            Case::new(BARE, || operation(bare(json(200)), request)),
            Case::new("buttress", || {
                operation(ServiceBuilder::new().layer(RequestLogLayer::new()).service(bare(json(200))), request)
            }),
            // Three short events in a span, and no counters.
            Case::new("tower-http, `TraceLayer`", || {
                operation(ServiceBuilder::new().layer(TraceLayer::new_for_http()).service(bare(json(200))), request)
            }),
        ],
    )
}
