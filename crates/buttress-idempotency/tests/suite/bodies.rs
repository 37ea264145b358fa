//! IDM-17: bodies are held whole, and all of them together within a budget.

use std::{future::poll_fn, panic::AssertUnwindSafe, pin::Pin, task::Poll, time::Duration};

use buttress_core::Problem;
use buttress_idempotency::{EventKind, Followers, IdempotencyLayer, InvalidSetting, MemoryStore, RequestBody};
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{Broken, Events, Scope1, Script, Seen, Step, layer, read};

const SECOND: Duration = Duration::from_secs(1);

type Taken = Request<RequestBody<Script>>;
type Layer1 = IdempotencyLayer<MemoryStore, Scope1>;

/// Ten bytes for all, and for one.
fn narrow() -> Layer1 {
    layer().body_limit(10).unwrap().body_budget(10).unwrap()
}

/// Reads all of a request, then answers with it.
async fn echo(request: Taken) -> Result<Response<Script>, Broken> {
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Script::text(String::from_utf8(body.to_vec()).unwrap().leak())))
}

fn ask(key: &str, body: Script) -> Request<Script> {
    Request::post("/jobs").header("idempotency-key", key).body(body).unwrap()
}

async fn send(layer: &Layer1, key: &str, body: Script) -> Seen {
    read(layer.layer(service_fn(echo)).oneshot(ask(key, body)).await.unwrap()).await
}

/// All of the budget can be had.
async fn is_all_there(layer: &Layer1) -> bool {
    send(layer, "all", Script::text("0123456789")).await.body == "0123456789"
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn for_whose_body_there_is_no_room_is_told_to_come_back_and_nothing_has_happened() {
    let events = Events::default();
    let layer = narrow().on_event(events.hook());
    let slow = [Step::Data("1234567"), Step::Hang];
    let mut first = Box::pin(layer.layer(service_fn(echo)).oneshot(ask("a", Script::new(slow))));
    assert!(poll_once(&mut first).await.is_pending());
    assert_eq!(send(&layer, "b", Script::text("123")).await.status, 200, "there is room for three more");

    let response = layer.layer(service_fn(echo)).oneshot(ask("c", Script::text("1234"))).await.unwrap();
    let problem = response.extensions().get::<Problem>().unwrap();
    assert!(problem.retryable() && problem.layer() == Some("idempotency"), "{problem:?}");
    let refused = read(response).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "unavailable"));
    assert_eq!((refused.header("retry-after"), refused.header("x-should-retry")), (Some("2"), None));
    assert_eq!(events.all().iter().filter(|kind| **kind == EventKind::Crowded).count(), 1);
    // Word of what is too long for anybody, whoever else is there.
    assert_eq!(send(&layer, "d", Script::text("0123456789a")).await.code(), "payload_too_large");

    drop(first);
    let again = send(&layer, "c", Script::text("1234")).await;
    assert_eq!((again.status, again.is_replay()), (200, false), "the key is as free as before");
    assert!(is_all_there(&layer).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_promised_is_looked_at_before_anything_is_read_and_takes_no_room() {
    let layer = narrow();
    let all = [Step::Hang];
    let mut promising = Box::pin(layer.layer(service_fn(echo)).oneshot(ask("a", Script::new(all).promising(10))));
    assert!(poll_once(&mut promising).await.is_pending());
    assert!(is_all_there(&layer).await, "nothing has come of it yet");

    let half = [Step::Data("12345"), Step::Hang];
    let mut sending = Box::pin(layer.layer(service_fn(echo)).oneshot(ask("b", Script::new(half))));
    assert!(poll_once(&mut sending).await.is_pending());
    // A body that would fail if it were read.
    let unread = Script::new([Step::Fail]).promising(6);
    assert_eq!(send(&layer, "c", unread).await.code(), "unavailable");
    // The first one is not held up for what it cannot get any more.
    assert_eq!(timeout(SECOND, promising).await.unwrap().unwrap().status(), 503);
}

#[tokio::test(start_paused = true)]
async fn a_body_counts_until_it_was_read_below() {
    let layer = narrow();
    let reads_late = service_fn(|request: Taken| async move {
        let mut body = request.into_body();
        sleep(SECOND).await;
        body.frame().await.unwrap()?;
        sleep(2 * SECOND).await;
        Ok::<_, Broken>(Response::new(Script::text("done")))
    });
    let runs = tokio::spawn(layer.layer(reads_late).oneshot(ask("a", Script::text("12345"))));
    sleep(SECOND / 2).await;
    assert_eq!(send(&layer, "b", Script::text("123456")).await.code(), "unavailable");
    sleep(SECOND).await;
    assert!(is_all_there(&layer).await, "it was handed on");
    assert_eq!(runs.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_answer_of_another_holds_its_body_as_long() {
    let layer = narrow().followers(Followers::Wait(9 * SECOND));
    let slow = || {
        service_fn(async |request: Taken| {
            let answer = echo(request).await;
            sleep(SECOND).await;
            answer
        })
    };
    let asking = || tokio::spawn(layer.layer(slow()).oneshot(ask("a", Script::text("1234567"))));
    let first = asking();
    sleep(SECOND / 4).await;
    let second = asking();
    sleep(SECOND / 4).await;
    assert_eq!(send(&layer, "b", Script::text("1234")).await.code(), "unavailable");
    for asked in [first, second] {
        assert_eq!(read(asked.await.unwrap().unwrap()).await.body, "1234567");
    }
    assert!(is_all_there(&layer).await);
}

/// A request with as many places to leave it as there are.
fn long_way(layer: &Layer1) -> impl Future<Output = Result<Response<impl Body>, Broken>> {
    let handler = service_fn(|request: Taken| async move {
        sleep(SECOND).await;
        let answer = echo(request).await;
        sleep(SECOND).await;
        answer
    });
    let steps = [Step::Data("123"), Step::Sleep(SECOND), Step::Data("456"), Step::Sleep(SECOND), Step::Data("7890")];
    layer.layer(handler).oneshot(ask("a", Script::new(steps)))
}

#[tokio::test(start_paused = true)]
async fn wherever_the_caller_leaves_the_room_is_given_back() {
    for polls in 0.. {
        let layer = narrow();
        let mut future = Box::pin(long_way(&layer));
        let mut over = false;
        for _ in 0..polls {
            over = poll_once(&mut future).await.is_ready();
            if over {
                break;
            }
            sleep(SECOND / 2).await;
        }
        drop(future);
        layer.detached().idle().await;
        assert!(is_all_there(&layer).await, "left after {polls} polls");
        if over {
            assert!(polls > 4, "it gives way now and then");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_trickles_holds_its_room_no_longer_than_a_body_may_take() {
    let layer = narrow().body_time(3 * SECOND).unwrap();
    let trickle = (0..9).flat_map(|_| [Step::Data("1"), Step::Sleep(SECOND)]);
    let slow = tokio::spawn(layer.layer(service_fn(echo)).oneshot(ask("a", Script::new(trickle))));
    sleep(5 * SECOND / 2).await;
    assert_eq!(send(&layer, "b", Script::text("12345678")).await.code(), "unavailable");
    sleep(SECOND).await;
    assert!(is_all_there(&layer).await);
    assert_eq!(read(slow.await.unwrap().unwrap()).await.code(), "request_timeout");
}

#[tokio::test]
async fn who_has_its_answer_holds_no_room_even_if_its_future_is_kept() {
    let layer = narrow();
    assert!(is_all_there(&layer).await);
    let mut service = layer.layer(service_fn(echo));
    let mut kept = Vec::new();
    for (body, status) in [("0123456789", 200), ("012345678", 422), ("0123456789", 200)] {
        let mut future = Box::pin(service.ready().await.unwrap().call(ask("all", Script::text(body))));
        assert_eq!(future.as_mut().await.unwrap().status(), status);
        kept.push(future);
    }
}

#[tokio::test]
async fn a_panic_gives_the_room_back() {
    let layer = narrow();
    let panics = service_fn(|request: Taken| async move {
        assert!(request.body().is_end_stream(), "its body is here still");
        Ok::<_, Broken>(Response::new(Script::default()))
    });
    let mut future = Box::pin(layer.layer(panics).oneshot(ask("a", Script::text("0123456789"))));
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let _ = future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    }));
    assert!(panicked.is_err());
    drop(future);
    assert!(is_all_there(&layer).await);
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_budget_and_one_that_is_given_its_own_does_not() {
    let layer = narrow();
    let (shares, apart) = (layer.clone().require_key(), layer.clone().body_budget(10).unwrap());
    let mut first =
        Box::pin(layer.layer(service_fn(echo)).oneshot(ask("a", Script::new([Step::Data("1"), Step::Hang]))));
    assert!(poll_once(&mut first).await.is_pending());
    assert_eq!(send(&shares, "b", Script::text("0123456789")).await.code(), "unavailable");
    assert!(is_all_there(&apart).await);
}

#[test]
fn a_budget_without_room_for_one_body_is_refused() {
    let is_refused = |layer: Result<Layer1, InvalidSetting>| layer.unwrap_err().to_string().contains("budget");
    assert!(is_refused(layer().body_budget((1 << 20) - 1)), "the limit of one body is a mebibyte");
    assert!(is_refused(layer().body_limit((64 << 20) + 1)), "the budget is 64 mebibytes");
    assert!(is_refused(narrow().body_limit(11)));
    assert!(narrow().body_budget(11).unwrap().body_limit(11).is_ok());
}
