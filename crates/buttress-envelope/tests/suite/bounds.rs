//! What servers ask of a layer, as bounds; none of them is needed to compile against.

use std::convert::Infallible;

use buttress_envelope::{
    AnswerErrors, AnswerErrorsLayer, ApiError, BoxError, Envelope, EnvelopeHandle, EnvelopeLayer, ResponseBody,
    ResponseFuture,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Full, combinators::BoxBody, combinators::UnsyncBoxBody};
use tower::{Layer, Service, util::BoxCloneService};

fn all<T: Clone + Send + Sync + 'static>() {}

fn sync<T: Send + Sync + 'static>() {}

fn send<T: Send + 'static>() {}

type Inner<B> = BoxCloneService<Request<UnsyncBoxBody<Bytes, BoxError>>, Response<B>, Infallible>;

#[test]
fn everything_is_as_sendable_as_what_it_holds() {
    all::<EnvelopeLayer>();
    all::<EnvelopeHandle>();
    all::<AnswerErrorsLayer>();
    all::<Envelope<Full<Bytes>>>();
    all::<AnswerErrors<Full<Bytes>>>();
    sync::<ApiError>();
    // warp demands bodies that are `Sync`, those of axum are not.
    sync::<ResponseBody<BoxBody<Bytes, BoxError>>>();
    send::<ResponseBody<UnsyncBoxBody<Bytes, BoxError>>>();
    sync::<ResponseFuture<std::future::Ready<()>, BoxBody<Bytes, BoxError>>>();
    send::<ResponseFuture<std::future::Ready<()>, UnsyncBoxBody<Bytes, BoxError>>>();
}

/// The bounds of `axum::Router::layer` on a layer over its routes.
fn router_layer<L, S>(_: L)
where
    L: Layer<S> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<UnsyncBoxBody<Bytes, BoxError>>, Error = Infallible> + Clone + Send + 'static,
    <L::Service as Service<Request<UnsyncBoxBody<Bytes, BoxError>>>>::Response: IntoAnswer + 'static,
    <L::Service as Service<Request<UnsyncBoxBody<Bytes, BoxError>>>>::Future: Send + 'static,
{
}

/// What axum makes an answer of.
trait IntoAnswer {}

impl<B> IntoAnswer for Response<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
}

#[test]
fn the_layer_fits_the_routers_of_frameworks() {
    router_layer::<_, Inner<UnsyncBoxBody<Bytes, BoxError>>>(EnvelopeLayer::new());
    router_layer::<_, Inner<BoxBody<Bytes, BoxError>>>(EnvelopeLayer::new());
    router_layer::<_, Inner<UnsyncBoxBody<Bytes, BoxError>>>(AnswerErrorsLayer::new());
}
