//! Futures that are dropped.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use buttress_retry::{Allowance, Backoff, Budget, RetryLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service, service_fn};

use crate::common::*;

/// The script of a body, held by something that can be counted.
#[derive(Clone)]
struct Held(Script, #[expect(dead_code, reason = "is counted")] Arc<()>);

impl Body for Held {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Broken>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

/// Polls a call so often and drops it: how often it had to be polled to be ready.
fn polled(times: usize, media_type: &'static str, held: &Arc<()>, budget: &Budget) -> Option<usize> {
    let counted = held.clone();
    let inner = service_fn(move |request: Request<_>| {
        let (request, counted): (Request<buttress_retry::ReplayBody<Held>>, _) = (request, counted.clone());
        async move {
            use http_body_util::BodyExt;
            tokio::task::yield_now().await;
            let body = request.into_body();
            let _ = body.collect().await?;
            let failure = Held(script(&[Step::Data("no"), Step::Pending, Step::Data("more")]), counted);
            Ok::<_, Broken>(Response::builder().status(503).header("content-type", media_type).body(failure).unwrap())
        }
    });
    let layer = RetryLayer::new().backoff(Backoff::NONE).budget(budget.clone());
    let mut service = layer.layer(inner);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Service::<Request<Held>>::poll_ready(&mut service, &mut cx).is_ready());
    let body = Held(script(&[Step::Data("a"), Step::Pending, Step::Data("b")]), held.clone());
    let mut future = Box::pin(service.call(Request::put("/").body(body).unwrap()));
    (1..=times).find(|_| future.as_mut().poll(&mut cx).is_ready())
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_at_any_poll_leaves_nothing_behind() {
    for media_type in ["text/plain", "application/json"] {
        let held = Arc::new(());
        let needed = polled(100, media_type, &held, &Budget::default()).expect("it gets ready");
        assert!(needed >= 7, "three tries, and two failures that are read: {needed}");
        for times in 0..=needed {
            let budget = Budget::new(Allowance::percent(0).unwrap().reserve(1));
            assert_eq!(polled(times, media_type, &held, &budget).is_some(), times == needed);
            assert_eq!(Arc::strong_count(&held), 1, "{media_type} {times}");
            assert!(budget.left() >= 8, "no more is spent than for the retries that were begun");
        }
    }
}

// RTY-15
#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_while_it_waits_ends_the_tries() {
    let server = Server::answers([answer(503, &[("retry-after", "5")], "")]);
    let call = tokio::spawn(tower::ServiceExt::oneshot(RetryLayer::new().layer(server.clone()), get()));
    tokio::task::yield_now().await;
    call.abort();
    tokio::time::advance(ms(60_000)).await;
    tokio::task::yield_now().await;
    assert_eq!(server.tries(), 1);
}
