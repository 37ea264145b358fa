use std::convert::Infallible;

use buttress_idempotency::{IdempotencyLayer, MemoryStore, RequestBody, Secret};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, service_fn};

fn main() {
    let layer = IdempotencyLayer::new(MemoryStore::default(), Secret::new([0; 32]));
    let handler = async |_: Request<RequestBody<Full<Bytes>>>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()));
    let _service = layer.layer(service_fn(handler));
}
