//! What every layer promises: readiness, cancelling, types.

use std::{
    convert::Infallible,
    future::{Ready, poll_fn, ready},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_rate_limit::{ClientAddr, Limit, RateLimit, RateLimitLayer, ResponseBody, ThrottleLayer};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};

use super::common::{Far, Handler, Manner, ask, by_address, from, handler, quota};

/// Panics when it is called without having been ready, and is unready as a clone.
#[derive(Debug, Default)]
struct Strict {
    readied: bool,
    calls: Arc<AtomicU32>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { readied: false, calls: self.calls.clone() }
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.readied = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.readied), "called without having been ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::new(String::new())))
    }
}

fn far(manner: Manner) -> RateLimitLayer<Far> {
    let limit = Limit::new("address", quota("2/h"), ClientAddr::peer()).time_out(Duration::from_secs(1));
    RateLimitLayer::with_store(Far::new(manner), [limit]).unwrap()
}

// D14: throttle-kit 2.1.2 calls a clone that was never ready.
#[tokio::test(start_paused = true)]
async fn the_instance_that_was_ready_is_the_one_that_is_called() {
    let near = by_address("5/h").layer(Strict::default());
    let slow = far(Manner::Slow(Duration::from_millis(10))).layer(Strict::default());
    near.oneshot(from("192.0.2.1")).await.unwrap();
    slow.oneshot(from("192.0.2.1")).await.unwrap();
    let stack =
        ServiceBuilder::new().layer(by_address("5/h")).layer(ConcurrencyLimitLayer::new(1)).service(Strict::default());
    for _ in 0..3 {
        stack.clone().oneshot(from("192.0.2.1")).await.unwrap();
    }
    // Also after a wait, and whoever has cloned the service meanwhile.
    let mut paced = ThrottleLayer::new(quota("1/s burst 1")).layer(Strict::default());
    for _ in 0..3 {
        let ready = paced.ready().await.unwrap();
        let _clone = ready.clone();
        ready.call(Request::new(())).await.unwrap();
    }
}

// D36: tower-rate-limit-redis 1.0.2 calls first and asks then.
#[tokio::test(start_paused = true)]
async fn what_is_refused_never_reaches_the_inner_service() {
    let Handler { runs, answer } = handler();
    let near = by_address("2/h").layer(Handler { runs: runs.clone(), answer });
    for _ in 0..10 {
        near.clone().oneshot(from("192.0.2.1")).await.unwrap();
    }
    assert_eq!(runs.count(), 2);
    let slow = far(Manner::Slow(Duration::from_millis(10))).layer(Handler { runs: runs.clone(), answer });
    for _ in 0..10 {
        slow.clone().oneshot(from("192.0.2.1")).await.unwrap();
    }
    assert_eq!(runs.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn readiness_and_errors_are_those_of_the_inner_service() {
    let mut service: RateLimit<Never> = by_address("2/h").layer(Never);
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
    let failing = service_fn(async |_: Request<()>| Err::<Response<String>, _>("broken"));
    assert_eq!(by_address("2/h").layer(failing).oneshot(from("192.0.2.1")).await.unwrap_err(), "broken");
}

/// A service that is never ready.
#[derive(Clone, Debug)]
struct Never;

impl Service<Request<()>> for Never {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

/// Whatever the poll at which it is dropped, a future loses nothing but the units that it took.
#[tokio::test(start_paused = true)]
async fn dropped_at_every_poll_it_takes_its_units_at_most_once() {
    for polls in 0..4 {
        let layer = far(Manner::Slow(Duration::from_millis(10)));
        let mut future = Box::pin(layer.layer(handler()).oneshot(from("192.0.2.1")));
        for _ in 0..polls {
            tokio::time::advance(Duration::from_millis(4)).await;
            let done = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
            if done {
                break;
            }
        }
        drop(future);
        let mut passed = 0;
        for _ in 0..3 {
            passed += u32::from(ask(&layer, from("192.0.2.1")).await.status() == 200);
        }
        assert!((1..=2).contains(&passed), "{passed} after {polls} polls");
    }
}

#[test]
fn it_goes_where_its_parts_go() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    fn sent<T: Send>(_: T) {}
    anywhere::<RateLimitLayer>();
    anywhere::<RateLimit<Handler>>();
    anywhere::<buttress_rate_limit::ThrottleLayer>();
    anywhere::<buttress_rate_limit::Throttle<Handler>>();
    sent(by_address("1/s").layer(handler()).oneshot(from("192.0.2.1")));
    fn shared<T: Send + Sync>() {}
    shared::<ResponseBody<http_body_util::Full<bytes::Bytes>>>();
}

/// Neither `Send` nor `Default`, and with data that is not `Bytes`.
#[derive(Debug)]
struct Odd(#[allow(dead_code, reason = "it makes it neither Send nor Sync")] Rc<()>);

impl Body for Odd {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(7)
    }
}

#[tokio::test(start_paused = true)]
async fn any_body_will_do_and_keeps_its_hints() {
    let odd = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Odd(Rc::new(())))));
    let answer = by_address("1/h").layer(odd).oneshot(from("192.0.2.1")).await.unwrap();
    assert!(answer.body().is_end_stream());
    assert_eq!(answer.body().size_hint().exact(), Some(7));
}
