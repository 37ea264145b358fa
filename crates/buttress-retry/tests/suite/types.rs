//! What the types promise.

use std::convert::Infallible;

use buttress_core::Body;
use buttress_retry::{
    Backoff, Budget, BudgetByKey, NeverLeft, ReplayBody, Reread, ResponseFuture, Retry, RetryLayer, Standard,
};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::common::Script;

type Answer = std::future::Ready<Result<Response<Full<Bytes>>, Infallible>>;

fn demand<T: Send + Sync + 'static>() {}

#[test]
fn everything_can_be_sent_and_shared() {
    demand::<RetryLayer>();
    demand::<RetryLayer<NeverLeft<fn(&Infallible) -> bool>>>();
    demand::<Retry<(), Standard>>();
    demand::<ReplayBody<Script>>();
    demand::<Body<Reread<Script>>>();
    demand::<ResponseFuture<(), Standard, Answer, Full<Bytes>, Full<Bytes>>>();
    demand::<(Backoff, Budget, BudgetByKey)>();
}

/// Neither `Sync`, nor `Unpin`, nor `'static` is asked of a body.
#[test]
fn little_is_asked_of_a_body() {
    use std::{cell::Cell, marker::PhantomPinned, pin::Pin};

    use tower::{Layer, Service};

    struct Odd<'a>(&'a Cell<u32>, PhantomPinned);

    impl http_body::Body for Odd<'_> {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            self.0.set(self.0.get() + 1);
            std::task::Poll::Ready(None)
        }
    }

    let count = Cell::new(0);
    let inner = crate::common::Instantly(|request: http::Request<ReplayBody<Odd<'_>>>| {
        let mut body = Box::pin(request.into_body());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(matches!(http_body::Body::poll_frame(body.as_mut(), &mut cx), std::task::Poll::Ready(None)));
        Response::builder().status(503).body(Odd(&count, PhantomPinned)).unwrap()
    });
    let mut service = RetryLayer::new().backoff(Backoff::NONE).drain(0, std::time::Duration::ZERO).layer(inner);
    let mut future = Box::pin(service.call(http::Request::put("/").body(Odd(&count, PhantomPinned)).unwrap()));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_ready());
    assert_eq!(count.get(), 1 + 2, "one request body, read once, and two failures, drained");
}

#[test]
fn nothing_of_a_request_is_printed() {
    let secret = "sesame";
    let request = http::Request::put(format!("/{secret}"))
        .header("authorization", secret)
        .body(Full::new(Bytes::from(secret)))
        .unwrap();
    let inner =
        crate::common::Instantly(|_: http::Request<ReplayBody<Full<Bytes>>>| Response::new(Full::new(Bytes::new())));
    let mut service = tower::Layer::layer(&RetryLayer::new(), inner);
    let future = tower::Service::call(&mut service, request);
    assert!(!format!("{future:?}").contains(secret));
}
