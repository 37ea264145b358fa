//! Readiness, and stacks of tower's own layers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use buttress_core::Deadline;
use buttress_retry::{Backoff, ReplayBody, RetryLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};

use crate::common::*;

type Asked = Request<ReplayBody<Empty<Bytes>>>;

/// Takes a place for a call that is yet to be made.
async fn get_ready(service: &mut impl Service<Request<Empty<Bytes>>, Error: std::fmt::Debug>) {
    service.ready().await.unwrap();
}

/// Panics when it is called before it said that it is ready, as tower allows; a clone starts unready.
struct Strict {
    ready: bool,
    polls: Arc<AtomicUsize>,
    fails_at: usize,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false, polls: self.polls.clone(), fails_at: self.fails_at }
    }
}

impl Service<Asked> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Broken;
    type Future = std::future::Ready<Result<Self::Response, Broken>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let polls = self.polls.fetch_add(1, Ordering::Relaxed) + 1;
        if polls == self.fails_at {
            return Poll::Ready(Err(Broken));
        }
        if polls % 2 == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        std::future::ready(Ok(status(503)))
    }
}

fn layer() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE)
}

// D14, D19: throttle-kit and seatbelt call a clone that never was ready.
#[tokio::test]
async fn readiness_is_asked_for_before_every_try() {
    let polls = Arc::<AtomicUsize>::default();
    let strict = Strict { ready: false, polls: polls.clone(), fails_at: 0 };
    let response = layer().layer(strict).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), polls.load(Ordering::Relaxed)), (503, 6));
}

#[tokio::test]
async fn an_error_of_readiness_is_final() {
    let strict = Strict { ready: false, polls: Arc::default(), fails_at: 4 };
    let told = Told::default();
    assert_eq!(told.by(layer()).layer(strict).oneshot(get()).await.unwrap_err(), Broken);
    assert_eq!(told.retries.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_second_poll_of_readiness_is_harmless() {
    let strict = Strict { ready: false, polls: Arc::default(), fails_at: 0 };
    let mut service = layer().layer(strict);
    for _ in 0..3 {
        std::future::poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    }
    assert_eq!(service.call(get()).await.unwrap().status(), 503);
}

// D14, D19
#[tokio::test(start_paused = true)]
async fn it_works_over_a_concurrency_limit_and_holds_no_place_while_it_waits() {
    let server = Server::answers([status(503)]);
    let long = Backoff::equal(ms(10_000), ms(10_000)).unwrap();
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new().backoff(long))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(server.clone());
    let waiting = tokio::spawn(stack.clone().oneshot(get()));
    tokio::task::yield_now().await;
    let started = Instant::now();
    assert_eq!(stack.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!(started.elapsed(), ms(0), "the only place was free");
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.tries(), 3);
}

// D14, D19
#[tokio::test(start_paused = true)]
async fn it_works_over_a_buffer() {
    let server = Server::answers([status(503), status(503)]);
    let inner = service_fn({
        let server = server.clone();
        move |request: Asked| server.clone().oneshot(request)
    });
    let stack = ServiceBuilder::new().layer(layer()).buffer(2).concurrency_limit(1).service(inner);
    assert_eq!(stack.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!(server.tries(), 3);
}

// RTY-5
#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_get_ready_costs_the_time_of_a_try() {
    let server = Server::answers([status(503)]);
    let layer = layer().attempt_timeout(ms(300)).unwrap();
    let stack = ServiceBuilder::new().layer(layer).layer(ConcurrencyLimitLayer::new(1)).service(server.clone());
    let mut first = stack.clone();
    get_ready(&mut first).await;
    let call = first.call(get());
    // Takes the place as soon as the first try gives it back, and keeps it.
    let mut greedy = stack.clone();
    let taken = tokio::spawn(async move {
        get_ready(&mut greedy).await;
        tokio::time::sleep(ms(10_000)).await;
        drop(greedy);
    });
    tokio::task::yield_now().await;
    let started = Instant::now();
    assert_eq!(call.await.unwrap().status(), 504);
    assert!((ms(600)..=ms(604)).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert_eq!(server.tries(), 1);
    taken.abort();
}

#[tokio::test(start_paused = true)]
async fn who_got_no_place_in_time_does_not_stand_in_line_for_one_while_it_waits() {
    let server = Server::answers([status(503)]);
    let ten_seconds = Backoff::decorrelated(ms(10_000), ms(10_000)).unwrap();
    let layer = RetryLayer::new().backoff(ten_seconds).attempt_timeout(ms(300)).unwrap();
    let stack = ServiceBuilder::new().layer(layer).layer(ConcurrencyLimitLayer::new(1)).service(server.clone());
    let waiting = tokio::spawn(stack.clone().oneshot(get()));
    tokio::task::yield_now().await;
    let mut greedy = stack.clone();
    get_ready(&mut greedy).await;
    // The second try began a second ago, and was given up.
    tokio::time::sleep(ms(11_000)).await;
    drop(greedy);
    let started = Instant::now();
    assert_eq!(stack.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!(started.elapsed(), ms(0), "the only place is free");
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(server.tries(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_too_late_holds_no_place_even_if_its_service_is_kept() {
    let server = Server::default();
    let mut kept = ServiceBuilder::new().layer(layer()).layer(ConcurrencyLimitLayer::new(1)).service(server.clone());
    let other = kept.clone();
    let mut late = get();
    late.extensions_mut().insert(Deadline::at(Instant::now().into_std()));
    let ready = ServiceExt::<Request<Empty<Bytes>>>::ready(&mut kept).await.unwrap();
    assert_eq!(ready.call(late).await.unwrap().status(), 504);
    let answered = tokio::time::timeout(ms(1_000), other.oneshot(get())).await.expect("the only place is free");
    assert_eq!((answered.unwrap().status().as_u16(), server.tries()), (200, 1));
}

// RTY-5, CBK-18
#[tokio::test(start_paused = true)]
async fn a_time_out_inside_ends_one_try_and_outside_the_call() {
    let inside = Server::new([Try::Hang]);
    let stack = ServiceBuilder::new().layer(layer()).timeout(ms(100)).service(inside.clone());
    assert_eq!(stack.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!(inside.tries(), 2);
    let outside = Server::new([Try::Hang]);
    let stack = ServiceBuilder::new().timeout(ms(100)).layer(layer()).service(outside.clone());
    assert!(stack.oneshot(get()).await.unwrap_err().is::<tower::timeout::error::Elapsed>());
    assert_eq!((outside.tries(), outside.dropped()), (1, 1));
}
