//! The id on every path out of a request: answers, errors, panics, time-outs, and callers who leave.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_core::CorrelationId;
use buttress_correlation_id::{Cause, CorrelationLayer, current};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Log, service};

/// What the hook was told.
type Told = Arc<Mutex<Vec<(String, Cause)>>>;

fn told() -> (CorrelationLayer, Told) {
    let told = Told::default();
    let hook = told.clone();
    let layer =
        CorrelationLayer::new().on_unanswered(move |it| hook.lock().unwrap().push((it.id.to_string(), it.cause)));
    (layer, told)
}

fn request() -> Request<()> {
    Request::builder().header("x-correlation-id", "order-42").body(()).unwrap()
}

fn once(cause: Cause) -> Vec<(String, Cause)> {
    vec![("order-42".to_owned(), cause)]
}

/// The one event there is, as level, outcome and id.
fn event(log: &Log) -> (String, String, String) {
    let events = log.events();
    let [event] = &events[..] else { panic!("one event, not {events:?}") };
    assert_eq!(event.within.as_deref(), Some("request"));
    let field = |name: &str| event.fields[name].clone();
    (event.level.clone(), field("outcome"), field("correlation_id"))
}

fn line(level: &str, outcome: &str) -> (String, String, String) {
    (level.to_owned(), outcome.to_owned(), "order-42".to_owned())
}

/// Polls once.
fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

// COR-9
#[tokio::test]
async fn an_answer_of_any_status_carries_the_id_and_tells_nothing() {
    let (layer, told) = told();
    let log = Log::default();
    let _logs = log.keep();
    for status in [200, 204, 304, 404, 429, 500, 503] {
        let inner = service(move |_| {
            let mut response = Response::new("body");
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            async move { Ok::<_, ()>(response) }
        });
        let response = layer.layer(inner).oneshot(request()).await.unwrap();
        assert_eq!(response.headers()["x-correlation-id"], "order-42", "{status}");
    }
    assert_eq!((told.lock().unwrap().len(), log.events().len()), (0, 0));
}

// COR-9, D29: tower-http 0.7.1 loses the id when the service ends in an error.
#[tokio::test]
async fn an_error_goes_on_unchanged_and_the_id_is_told() {
    let (layer, told) = told();
    let log = Log::default();
    let _logs = log.keep();
    let failing = service(async |_| Err::<Response<()>, _>("the original error"));
    assert_eq!(layer.layer(failing).oneshot(request()).await.err(), Some("the original error"));
    assert_eq!(*told.lock().unwrap(), once(Cause::Failed));
    assert_eq!(event(&log), line("WARN", "failed"));
}

// COR-9
#[test]
fn a_panic_while_polling_is_told_once_and_goes_on() {
    let (layer, told) = told();
    let log = Log::default();
    let _logs = log.keep();
    let panicking = service(async |_| -> Result<Response<()>, ()> { panic!("on purpose") });
    let mut future = Box::pin(layer.layer(panicking).call(request()));
    let payload = catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
    assert_eq!(*told.lock().unwrap(), once(Cause::Panicked));
    drop(future);
    assert_eq!(*told.lock().unwrap(), once(Cause::Panicked));
    assert_eq!(event(&log), line("ERROR", "panicked"));
    assert_eq!(current(), None);
}

// COR-9
#[test]
fn a_panic_in_the_call_itself_is_told_too() {
    let (layer, told) = told();
    let panicking = service_fn(|_: Request<()>| -> std::future::Ready<Result<Response<()>, ()>> { panic!("at once") });
    let mut service = layer.layer(panicking);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(request())))).is_err());
    assert_eq!(*told.lock().unwrap(), once(Cause::Panicked));
    assert_eq!(current(), None);
}

// COR-9: told within the drop of a thread that unwinds, a second panic would end the process.
#[test]
fn a_hook_that_panics_harms_nothing() {
    let layer = CorrelationLayer::new().on_unanswered(|_| panic!("the hook"));
    let panicking = service(async |_| -> Result<Response<()>, ()> { panic!("on purpose") });
    let mut future = Box::pin(layer.layer(panicking).call(request()));
    let payload = catch_unwind(AssertUnwindSafe(|| poll(future.as_mut()))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
    let pending = service(async |_| std::future::pending::<Result<Response<()>, ()>>().await);
    drop(layer.layer(pending).call(request()));
    assert_eq!(current(), None);
}

// COR-9
#[tokio::test]
async fn a_layer_inside_that_catches_panics_gets_the_id_on_its_answer() {
    let (layer, told) = told();
    // As tower-http's `CatchPanic` does it.
    let caught = service(async |_| {
        let panicked = catch_unwind(|| panic!("on purpose")).is_err();
        let mut response = Response::new(());
        *response.status_mut() = if panicked { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        Ok::<_, ()>(response)
    });
    let response = layer.layer(caught).oneshot(request()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-correlation-id"]),
        (500, &"order-42".parse().unwrap())
    );
    assert!(told.lock().unwrap().is_empty());
}

// COR-9
#[tokio::test(start_paused = true)]
async fn a_time_out_outside_is_told_as_cancelled_and_one_inside_is_answered() {
    let (layer, told) = told();
    let log = Log::default();
    let _logs = log.keep();
    let slow = service(async |_| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok::<_, std::convert::Infallible>(Response::new(()))
    });
    let stack = ServiceBuilder::new().timeout(Duration::from_secs(1)).layer(&layer).service(slow.clone());
    assert!(stack.oneshot(request()).await.is_err());
    assert_eq!(*told.lock().unwrap(), once(Cause::Cancelled));
    assert_eq!(event(&log), line("INFO", "cancelled"));

    let inside = service(move |request| {
        let slow = slow.clone();
        async move {
            let answer = tokio::time::timeout(Duration::from_secs(1), slow.oneshot(request)).await;
            let mut late = Response::new(());
            *late.status_mut() = StatusCode::GATEWAY_TIMEOUT;
            answer.unwrap_or(Ok(late))
        }
    });
    let response = layer.layer(inside).oneshot(request()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-correlation-id"]),
        (504, &"order-42".parse().unwrap())
    );
    assert_eq!(told.lock().unwrap().len(), 1);
}

// COR-9
#[tokio::test]
async fn a_caller_who_leaves_at_any_poll_is_told_once_and_the_work_is_dropped_within_its_scope() {
    const POLLS: usize = 4;
    for polls in 0..=POLLS + 1 {
        let (layer, told) = told();
        let dropped = Arc::new(Mutex::new(Vec::new()));
        let inner = service({
            let dropped = dropped.clone();
            move |_| {
                let guard = OnDrop(dropped.clone());
                async move {
                    let _guard = guard;
                    for _ in 0..POLLS {
                        tokio::task::yield_now().await;
                    }
                    Ok::<_, ()>(Response::new(()))
                }
            }
        });
        let mut service = layer.layer(inner);
        let answered = {
            let mut future = pin!(service.call(request()));
            (0..polls).any(|_| poll(future.as_mut()).is_ready())
        };
        assert_eq!(answered, polls == POLLS + 1);
        assert_eq!(*told.lock().unwrap(), if answered { vec![] } else { once(Cause::Cancelled) }, "{polls} polls");
        assert_eq!(*dropped.lock().unwrap(), [Some("order-42".parse().unwrap())], "{polls} polls");
        assert_eq!(current(), None);
    }
}

/// Keeps what is current when it is dropped.
struct OnDrop(Arc<Mutex<Vec<Option<CorrelationId>>>>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(current());
    }
}

#[tokio::test]
#[should_panic(expected = "polled after it was ready")]
async fn an_answered_future_is_not_polled_again() {
    let mut service = CorrelationLayer::new().layer(service(async |_| Ok::<_, ()>(Response::new(()))));
    let mut future = pin!(service.call(request()));
    assert!(poll(future.as_mut()).is_ready());
    let _ = poll(future.as_mut());
}

// COR-7, COR-10
#[tokio::test]
async fn the_span_tells_id_trace_and_the_outer_id_and_never_a_bad_value() {
    const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";
    let log = Log::default();
    let _logs = log.keep();
    let handler = service(async |_| {
        tracing::info!(target: "handler", "at work");
        Ok::<_, ()>(Response::new(()))
    });
    let untrusting = CorrelationLayer::new().trusted_when(|_| false).make_with(|| "ours".parse().unwrap());
    let with = |name: &str, value: &str| Request::builder().header("traceparent", PARENT).header(name, value).body(());
    untrusting.layer(handler.clone()).oneshot(with("x-request-id", "theirs").unwrap()).await.unwrap();
    CorrelationLayer::new().layer(handler.clone()).oneshot(with("x-request-id", "in jec\ted").unwrap()).await.unwrap();
    CorrelationLayer::new().span(false).layer(handler).oneshot(request()).await.unwrap();

    let spans = log.spans();
    assert_eq!(spans.len(), 2);
    for (field, value) in [("correlation_id", "ours"), ("outer_correlation_id", "theirs"), ("trace_id", &PARENT[3..35])]
    {
        assert_eq!(spans[0].fields[field], value);
    }
    assert!(!spans[1].fields.contains_key("outer_correlation_id"));
    let within: Vec<_> = log.events().into_iter().map(|event| event.within).collect();
    assert_eq!(within, [Some("request".to_owned()), Some("request".to_owned()), None]);
    assert!(!log.text().contains("jec"));
}
