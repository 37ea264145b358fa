//! What is current where.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use buttress_correlation_id::{CorrelationExt, CorrelationLayer, TraceContext, current, current_trace, scope};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{id, service};

fn request(id: &str) -> Request<()> {
    Request::builder().header("x-correlation-id", id).body(()).unwrap()
}

// COR-13
#[tokio::test]
async fn the_id_is_current_in_the_call_and_in_each_poll() {
    let inner = service_fn(|_: Request<()>| {
        assert_eq!(current(), Some(id("a")));
        async {
            for _ in 0..3 {
                assert_eq!(current(), Some(id("a")));
                tokio::task::yield_now().await;
            }
            Ok::<_, ()>(Response::new(()))
        }
    });
    CorrelationLayer::new().layer(inner).oneshot(request("a")).await.unwrap();
    assert_eq!(current(), None);
}

// COR-13
#[tokio::test]
async fn requests_that_take_turns_on_one_thread_do_not_mix() {
    let inner = service(async |request: Request<()>| {
        let own = request.headers()["x-correlation-id"].clone();
        let trace = current_trace();
        for _ in 0..5 {
            tokio::task::yield_now().await;
            assert_eq!(current().unwrap().to_header_value(), own);
            assert_eq!(current_trace(), trace);
        }
        Ok::<_, ()>(Response::new(trace.unwrap()))
    });
    let service = CorrelationLayer::new().layer(inner);
    let (one, two) =
        tokio::join!(service.clone().oneshot(request("one")), async { service.oneshot(request("two")).await });
    assert_eq!(one.unwrap().headers()["x-correlation-id"], "one");
    assert_eq!(two.unwrap().headers()["x-correlation-id"], "two");
}

// COR-13
#[tokio::test]
async fn a_layer_within_a_layer_has_its_own_and_gives_back() {
    let inner = service(async |_| Ok::<_, ()>(Response::new(current())));
    let middle = service(move |_| {
        let inner = CorrelationLayer::new().layer(inner.clone());
        async move {
            inner.oneshot(request("inner")).await?;
            Ok::<_, ()>(Response::new(current()))
        }
    });
    let seen = Arc::new(Mutex::new(None));
    let outer = service({
        let seen = seen.clone();
        move |request| {
            let (middle, seen) = (middle.clone(), seen.clone());
            async move {
                let response = middle.oneshot(request).await?;
                *seen.lock().unwrap() = response.into_body();
                Ok::<_, ()>(Response::new(()))
            }
        }
    });
    CorrelationLayer::new().layer(outer).oneshot(request("outer")).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(id("outer")));
}

// COR-13
#[tokio::test]
async fn a_spawned_task_knows_id_and_trace_only_when_carried() {
    let inner = service(async |_| {
        let bare = tokio::spawn(async { current() }).await.unwrap();
        let carried = tokio::spawn(async { (current(), current_trace()) }.in_current_correlation()).await.unwrap();
        assert_eq!((bare, carried), (None, (current(), current_trace())));
        assert!(current_trace().is_some());
        Ok::<_, ()>(Response::new(()))
    });
    // A span would ask for the trace before the task does.
    CorrelationLayer::new().span(false).layer(inner).oneshot(request("a")).await.unwrap();
}

// COR-13
#[tokio::test]
async fn where_nothing_is_current_carrying_changes_nothing() {
    let work = async { current() }.in_current_correlation();
    assert_eq!(scope(id("around"), work).await, Some(id("around")));
    assert_eq!(async { current() }.in_current_correlation().await, None);
}

// COR-13
#[tokio::test]
async fn a_scope_has_one_trace_of_its_own_or_the_one_it_is_given() {
    let (first, again) = scope(id("job"), async { (current_trace(), current_trace()) }).await;
    assert!(first.is_some() && first == again);
    let given = TraceContext::begin();
    let seen = scope(id("job"), async { current_trace() }).with_trace(given.clone()).await;
    assert_eq!(seen, Some(given.clone()));
    let nested = scope(id("outer"), async { scope(id("inner"), async { (current(), current_trace()) }).await });
    assert_eq!(nested.with_trace(given.clone()).await, (Some(id("inner")), Some(given)));
}

#[tokio::test]
async fn a_scope_that_is_dropped_drops_its_work_within() {
    struct OnDrop(Arc<Mutex<Vec<Option<buttress_core::CorrelationId>>>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(current());
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    for polls in 0..4 {
        let guard = OnDrop(seen.clone());
        let mut work = pin!(scope(id("job"), async move {
            let _guard = guard;
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
        }));
        let mut cx = Context::from_waker(Waker::noop());
        let _ = (0..polls).any(|_| work.as_mut().poll(&mut cx).is_ready());
    }
    assert_eq!(*seen.lock().unwrap(), vec![Some(id("job")); 4]);
    assert_eq!(current(), None);
}

#[test]
fn a_panic_within_a_scope_leaves_nothing_behind() {
    let mut work = Box::pin(scope(id("job"), async { panic!("on purpose") }));
    let poll = std::panic::AssertUnwindSafe(|| {
        let _ = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    assert!(std::panic::catch_unwind(poll).is_err());
    assert_eq!(current(), None);
}

/// Says when it was polled ready, and panics when it is called without.
struct Strict {
    ready: bool,
    pending: usize,
    calls: usize,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false, ..*self }
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<()>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Response<()>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> std::task::Poll<Result<(), &'static str>> {
        if self.pending > 0 {
            self.pending -= 1;
            return std::task::Poll::Pending;
        }
        self.ready = true;
        if self.calls > 0 { std::task::Poll::Ready(Err("spent")) } else { std::task::Poll::Ready(Ok(())) }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.calls += 1;
        std::future::ready(Ok(Response::new(())))
    }
}

#[tokio::test]
async fn readiness_is_that_of_the_same_instance_below() {
    let mut service = CorrelationLayer::new().layer(Strict { ready: false, pending: 1, calls: 0 });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
    assert_eq!(service.poll_ready(&mut cx), std::task::Poll::Ready(Ok(())));
    assert_eq!(service.poll_ready(&mut cx), std::task::Poll::Ready(Ok(())));
    assert!(!service.clone().get_ref().ready);
    service.call(request("a")).await.unwrap();
    assert!(!service.get_ref().ready);
    assert_eq!(service.poll_ready(&mut cx), std::task::Poll::Ready(Err("spent")));
}

#[tokio::test]
async fn a_client_layer_passes_readiness_on_too() {
    let mut service =
        buttress_correlation_id::OutboundLayer::new().layer(Strict { ready: false, pending: 1, calls: 0 });
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_pending());
    assert_eq!(service.poll_ready(&mut cx), std::task::Poll::Ready(Ok(())));
    assert!(!service.clone().get_ref().ready);
    service.call(request("a")).await.unwrap();
    assert_eq!(service.poll_ready(&mut cx), std::task::Poll::Ready(Err("spent")));
}
