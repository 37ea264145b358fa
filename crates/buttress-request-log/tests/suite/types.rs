//! What the types promise: to hosts, and to the service below.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Ready, pending, ready},
    marker::PhantomPinned,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use buttress_request_log::{Outcome, RequestLog, RequestLogLayer, ResponseBody, ResponseFuture};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, layer::layer_fn, service_fn};

use crate::common::{Records, get};

type Handler = fn(Request<()>) -> Ready<Result<Response<Full<Bytes>>, Infallible>>;

/// What `axum::Router::layer` asks for.
fn fits_axum<L, S>(layer: L)
where
    L: Layer<S> + Clone + Send + Sync + 'static,
    L::Service: Service<Request<()>, Error = Infallible> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<()>>>::Future: Send + 'static,
{
    drop(layer);
}

/// What hyper asks of a body, and warp beside that.
fn fits_hyper_and_warp<B>()
where
    B: Body<Data = Bytes> + Send + Sync + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
}

#[test]
fn it_fits_its_hosts() {
    fn demand<T: Clone + Send + Sync + 'static>() {}
    fits_axum::<_, tower::util::ServiceFn<Handler>>(RequestLogLayer::new());
    fits_hyper_and_warp::<ResponseBody<Full<Bytes>>>();
    demand::<RequestLog<()>>();
    demand::<RequestLogLayer>();
}

#[test]
fn it_is_pinned_and_bound_to_a_thread_only_if_the_inner_one_is() {
    fn unpin<T: Unpin>() {}
    unpin::<(ResponseFuture<Ready<()>>, ResponseBody<Full<Bytes>>)>();
    // What is neither `Unpin` nor `Send` nor `Clone` goes through as well.
    let handler = service_fn(|request: Request<Rc<Cell<u8>>>| async move {
        request.body().set(7);
        let _pinned = PhantomPinned;
        Ok::<_, Rc<str>>(Response::new(Full::new(&b""[..])))
    });
    let (records, body) = (Records::default(), Rc::new(Cell::new(0)));
    let future = pin!(records.layer().layer(handler).oneshot(Request::new(body.clone())));
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!((body.get(), records.one().outcome), (7, Outcome::Answered));
}

/// Demands to be polled ready before each call, as an instance of its own.
struct Probe {
    polls_until_ready: u8,
    ready: bool,
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Self { polls_until_ready: self.polls_until_ready, ready: false }
    }
}

impl Service<Request<()>> for Probe {
    type Response = Response<Full<Bytes>>;
    type Error = &'static str;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        match self.polls_until_ready {
            0 => return Poll::Ready(Err("closed")),
            1 => self.ready = true,
            _ => self.polls_until_ready -= 1,
        }
        if self.ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        ready(Ok(Response::new(Full::default())))
    }
}

#[test]
fn it_is_ready_when_the_inner_service_is_and_calls_that_very_one() {
    let cx = &mut Context::from_waker(Waker::noop());
    let mut service = RequestLogLayer::new().layer(Probe { polls_until_ready: 2, ready: false });
    assert!(service.poll_ready(cx).is_pending());
    assert!(service.poll_ready(cx).is_ready());
    let mut clone = service.clone();
    drop(service.call(get()));
    assert!(clone.poll_ready(cx).is_ready());
    drop(clone.call(get()));
}

#[test]
fn an_error_of_readiness_is_handed_on_and_makes_no_line() {
    let records = Records::default();
    let mut service = records.layer().layer(Probe { polls_until_ready: 0, ready: false });
    let polled = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled, Poll::Ready(Err("closed")));
    assert!(records.outcomes().is_empty());
}

#[test]
fn two_of_them_in_one_stack_share_the_notes_and_write_a_line_each() {
    let (outer, inner) = (Records::default(), Records::default());
    let both = layer_fn(|service| outer.layer().layer(inner.layer().layer(service)));
    let handler = service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, ()>>());
    drop(both.layer(handler).call(get()));
    assert_eq!((outer.one().outcome, inner.one().outcome), (Outcome::ClientLeft, Outcome::ClientLeft));
}
