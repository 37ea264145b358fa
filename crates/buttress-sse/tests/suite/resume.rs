use std::{sync::Arc, time::Duration};

use buttress_core::Problem;
use buttress_sse::Retention;
use http::{Method, Request};
use http_body_util::BodyExt;
use tokio::time::{Instant, advance, sleep};
use tower::{Service, ServiceExt};

use crate::{
    common::{Seen, named},
    stage::{Answer, Handler, Reader, Stage, offset, request, say},
};

/// Lets all tasks run that can.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

// SSE-46, SSE-50, SSE-54, SSE-55
#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_back_gets_what_is_after_its_cursor_then_what_is_live() {
    let stage = Stage::new();
    let mut first = stage.reader("alice", None).await;
    let pen = stage.pen();
    say(&pen, "event: x\ndata: 1\n\ndata: 2\n\nda");
    assert_eq!(first.data(2).await, ["1", "2"]);
    let cursor = first.cursor();
    assert_eq!((offset(&cursor), first.from.as_deref()), (2, Some("earliest")));
    drop(first);
    say(&pen, "ta: 3\n\ndata: 4\n\n");
    settle().await;
    let mut back = stage.reader("alice", Some(&cursor)).await;
    assert_eq!(back.from, Some(cursor));
    assert_eq!(back.data(2).await, ["3", "4"]);
    say(&pen, "data: 5\n\n");
    assert_eq!(back.data(1).await, ["5"]);
    assert_eq!(stage.calls(), 1);
}

// SSE-55
#[tokio::test(start_paused = true)]
async fn a_reader_has_a_position_before_the_first_event() {
    let stage = Stage::new();
    let mut answer = Box::pin(stage.get(request("alice", None)).await.into_body());
    let opening = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    let opening = str::from_utf8(&opening).unwrap();
    let cursor = opening.strip_prefix("retry: 3000\n\nid: ").unwrap().strip_suffix("\n\n").unwrap();
    assert_eq!(offset(cursor), 0);
    let mut back = stage.reader("alice", Some(cursor)).await;
    assert_eq!(back.from.as_deref(), Some(cursor));
    say(&stage.pen(), "data: 1\n\n");
    assert_eq!(back.data(1).await, ["1"]);
}

// SSE-41
#[tokio::test(start_paused = true)]
async fn the_first_head_is_the_services_own_and_later_ones_are_the_layers() {
    let stage = Stage::new();
    let heads = [stage.get(request("alice", None)).await, stage.get(request("alice", None)).await];
    for (head, own) in heads.iter().zip([true, false]) {
        assert!(head.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        assert_eq!(head.headers()["cache-control"], "no-store, no-transform");
        assert_eq!(head.headers()["x-accel-buffering"], "no");
        assert_eq!(head.headers().contains_key("x-own"), own);
        assert!(!head.headers().contains_key("content-length"));
    }
}

// SSE-49
#[tokio::test(start_paused = true)]
async fn a_user_reads_nothing_of_anothers_stream_even_with_its_cursor() {
    let stage = Stage::new();
    let mut alice = stage.reader("alice", None).await;
    say(&stage.pen(), "data: secret\n\n");
    alice.data(1).await;
    let mut bob = stage.reader("bob", Some(&alice.cursor())).await;
    assert_eq!(stage.calls(), 2);
    assert_eq!(bob.from.as_deref(), Some("earliest"));
    say(&stage.pen(), "data: own\n\n");
    let Some(Seen::Message { name, .. }) = bob.next().await else { panic!("a reset comes first") };
    assert_eq!(name, "reset");
    assert_eq!(bob.data(1).await, ["own"]);
}

// SSE-47, SSE-48
#[tokio::test(start_paused = true)]
async fn a_foreign_a_future_and_an_evicted_cursor_are_told_of_the_loss() {
    let stage = Stage::with(Retention::default().events(2), |layer| layer);
    let mut reader = stage.reader("alice", None).await;
    let pen = stage.pen();
    let mut cursors = vec!["other-2".to_owned()];
    for data in 1..=4 {
        say(&pen, &format!("data: {data}\n\n"));
        reader.data(1).await;
        cursors.push(reader.cursor());
    }
    cursors.push(cursors[4].replace("-4", "-5"));
    for lost in [0, 1, 5] {
        let mut back = stage.reader("alice", Some(&cursors[lost])).await;
        assert_eq!(back.from.as_deref(), Some("earliest"), "{}", cursors[lost]);
        assert_eq!(back.next().await, Some(named("reset", r#"{"type":"reset"}"#, "")));
        // The position that all goes on from comes with the news.
        assert_eq!(back.cursor(), cursors[2]);
        assert_eq!(back.data(2).await, ["3", "4"]);
    }
    let mut back = stage.reader("alice", Some(&cursors[2])).await;
    assert_eq!(back.data(2).await, ["3", "4"]);
}

// SSE-47, SSE-58
#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_is_overtaken_is_told_and_delays_nobody() {
    let stage = Stage::with(Retention::default().events(100), |layer| layer);
    let (mut slow, mut fast) = (stage.reader("alice", None).await, stage.reader("alice", None).await);
    let pen = stage.pen();
    say(&pen, "data: 0\n\n");
    assert_eq!(slow.data(1).await, ["0"]);
    for data in 1..=500 {
        say(&pen, &format!("data: {data}\n\n"));
        settle().await;
        fast.data(if data == 1 { 2 } else { 1 }).await;
    }
    assert!(matches!(slow.next().await, Some(Seen::Message { name, .. }) if name == "reset"));
    let rest = slow.data(100).await;
    assert_eq!((&*rest[0], &*rest[99]), ("401", "500"));
}

// SSE-61
#[tokio::test(start_paused = true)]
async fn a_finished_stream_replays_its_rest_and_then_is_over() {
    let stage = Stage::new();
    let mut reader = stage.reader("alice", None).await;
    let pen = stage.pen();
    say(&pen, "data: 1\n\n");
    reader.data(1).await;
    let cursor = reader.cursor();
    say(&pen, "data: 2\n\ndata: cut off");
    drop(pen);
    assert_eq!(reader.rest().await, ["2"]);
    assert!(reader.is_end());
    let mut back = stage.reader("alice", Some(&cursor)).await;
    assert_eq!(back.rest().await, ["2"]);
    let over = stage.reader("alice", Some(&reader.cursor())).await;
    assert_eq!((over.status, over.is_end()), (204, true));
    assert_eq!(stage.reader("alice", None).await.rest().await, ["1", "2"]);
    assert_eq!(stage.calls(), 1);
}

// SSE-51
#[tokio::test(start_paused = true)]
async fn a_malformed_cursor_is_refused_with_a_problem() {
    let stage = Stage::new();
    let answer = stage.get(request("alice", Some("no cursor"))).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(answer.extensions().get::<Problem>().unwrap().code().as_str(), "malformed_cursor");
    assert_eq!(stage.calls(), 0);
}

// SSE-52
#[tokio::test(start_paused = true)]
async fn the_cursor_may_come_in_the_query() {
    let stage = Stage::new();
    let mut reader = stage.reader("alice", None).await;
    say(&stage.pen(), "data: 1\n\ndata: 2\n\n");
    reader.data(1).await;
    let uri = format!("/events?lastEventId={}", reader.cursor());
    let mut back = Reader::new(stage.get(Request::get(uri).header("x-user", "alice").body(()).unwrap()).await);
    assert_eq!(back.data(1).await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_stream_passes_and_leaves_its_key_free() {
    let stage = Stage::new();
    for calls in 1..=2 {
        let answer = stage.get(Request::get("/none").header("x-user", "alice").body(()).unwrap()).await;
        assert_eq!((answer.status().as_u16(), stage.calls()), (404, calls));
        assert!(answer.headers().contains_key("x-own"));
    }
    for (method, user) in [(Method::HEAD, "alice"), (Method::GET, "")] {
        let mut passed = request("alice", Some("no cursor"));
        *passed.method_mut() = method;
        if user.is_empty() {
            passed.headers_mut().remove("x-user");
        }
        let answer = stage.get(passed).await;
        assert_eq!(answer.headers()["content-length"], "5");
    }
    let long = request(&"x".repeat(1025), None);
    assert_eq!(stage.get(long).await.headers()["content-length"], "5");
}

// SSE-60
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_who_start_at_once_get_one_producer_and_all_events() {
    for slow in [0, 1, 20] {
        let stage = Arc::new(Stage::of(Handler { slow, ..Handler::default() }, Retention::default(), |layer| layer));
        let barrier = Arc::new(tokio::sync::Barrier::new(100));
        let readers: Vec<_> = (0..100)
            .map(|_| {
                let (stage, barrier) = (stage.clone(), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    stage.reader("alice", None).await.rest().await
                })
            })
            .collect();
        while stage.handler.pens.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let pen = stage.pen();
        (0..50).for_each(|data| say(&pen, &format!("data: {data}\n\n")));
        drop(pen);
        let expected: Vec<_> = (0..50).map(|data| data.to_string()).collect();
        for reader in readers {
            assert_eq!(reader.await.unwrap(), expected);
        }
        assert_eq!(stage.calls(), 1);
    }
}

// SSE-60
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_start_that_comes_to_nothing_starts_itself() {
    let stage = Stage::of(Handler { slow: 3, ..Handler::default() }, Retention::default(), |layer| layer);
    for polls in 0..=3 {
        let user = format!("user-{polls}");
        let mut starting = Box::pin(stage.service.clone().oneshot(request(&user, None)));
        for _ in 0..polls {
            assert!(futures_poll(&mut starting).is_none());
        }
        let waiting = tokio::spawn(stage.service.clone().oneshot(request(&user, None)));
        settle().await;
        drop(starting);
        let answer: Answer = waiting.await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        drop(answer);
    }
}

fn futures_poll<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Option<F::Output> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

// ENV-13
#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_ends_as_an_error_event_that_is_kept() {
    let stage = Stage::new();
    let mut start = request("alice", None);
    start.extensions_mut().insert("abc".parse::<buttress_core::CorrelationId>().unwrap());
    let mut reader = Reader::new(stage.get(start).await);
    let pen = stage.pen();
    say(&pen, "data: 1\n\n");
    pen.send(Err(())).unwrap();
    reader.data(1).await;
    let cursor = reader.cursor();
    let expected = concat!(
        r#"{"ok":false,"error":{"code":"stream_failed","message":"the stream failed","#,
        r#""retryable":true,"correlationId":"abc"}}"#
    );
    for reader in [&mut reader, &mut stage.reader("alice", Some(&cursor)).await] {
        let Some(Seen::Message { name, data, id }) = reader.next().await else { panic!("an event") };
        assert_eq!((&*name, &*data, offset(&id)), ("error", expected, 2));
        assert!(reader.is_end());
        assert_eq!(stage.reader("alice", Some(&id)).await.status, 204);
    }
}

// SSE-13
#[tokio::test(start_paused = true)]
async fn an_event_over_its_limit_fails_the_stream() {
    let stage = Stage::with(Retention::default(), |layer| layer.max_event(10));
    let mut reader = stage.reader("alice", None).await;
    say(&stage.pen(), "data: 1\n\ndata: 12345678901\n\n");
    let rest = reader.rest().await;
    assert_eq!((rest.len(), &*rest[0]), (2, "1"));
    assert!(rest[1].contains("stream_failed"));
}

// SSE-59
#[tokio::test(start_paused = true)]
async fn a_producer_goes_on_without_readers_unless_told_otherwise() {
    let stage = Stage::new();
    drop(stage.reader("alice", None).await);
    let pen = stage.pen();
    // Over many leases, which are renewed.
    advance(Duration::from_secs(3600)).await;
    settle().await;
    say(&pen, "data: 1\n\n");
    drop(pen);
    settle().await;
    assert_eq!((stage.reader("alice", None).await.rest().await, stage.ended()), (vec!["1".to_owned()], 1));
}

// SSE-45
#[tokio::test(start_paused = true)]
async fn a_producer_is_cancelled_once_nobody_has_read_for_the_grace_time() {
    let grace = Duration::from_secs(10);
    let stage = Stage::with(Retention::default(), |layer| layer.cancel_after(grace));
    let mut readers = vec![stage.reader("alice", None).await, stage.reader("alice", None).await];
    let pen = stage.pen();
    say(&pen, "data: 1\n\n");
    readers[0].data(1).await;
    let cursor = readers[0].cursor();
    readers.pop();
    sleep(grace * 3).await;
    assert_eq!(stage.ended(), 0, "one still reads");
    for _ in 0..3 {
        readers.clear();
        sleep(grace - Duration::from_millis(10)).await;
        readers.push(stage.reader("alice", Some(&cursor)).await);
        sleep(grace * 2).await;
        assert_eq!(stage.ended(), 0, "who comes back in time keeps it");
    }
    readers.clear();
    sleep(grace + Duration::from_millis(10)).await;
    assert_eq!(stage.ended(), 1);
    let rest = stage.reader("alice", Some(&cursor)).await.rest().await;
    assert!(rest.len() == 1 && rest[0].contains("stream_cancelled"), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn producers_end_with_the_last_who_holds_the_layer() {
    let Stage { handler, layer, service } = Stage::new();
    let mut first = Reader::new(service.oneshot(request("alice", None)).await.unwrap());
    let ended = || handler.ended.load(std::sync::atomic::Ordering::SeqCst);
    let pen = handler.pens.lock().unwrap().pop().unwrap();
    drop(layer);
    settle().await;
    say(&pen, "data: 1\n\n");
    assert_eq!(first.data(1).await, ["1"]);
    assert_eq!(ended(), 0, "a reader holds it");
    drop(first);
    settle().await;
    assert_eq!(ended(), 1);
}

// SSE-56
#[tokio::test(start_paused = true)]
async fn a_drain_sends_readers_away_between_two_events_and_spares_producers() {
    let stage = Stage::new();
    let mut reader = stage.reader("alice", None).await;
    let pen = stage.pen();
    say(&pen, "data: 1\n\n");
    reader.data(1).await;
    let waiting = tokio::spawn(async move {
        let rest = reader.rest().await;
        (rest, reader.is_end(), reader.cursor())
    });
    settle().await;
    let drained = Instant::now();
    stage.layer.drain();
    let (rest, end, cursor) = waiting.await.unwrap();
    assert_eq!((rest.len(), end), (0, true));
    assert_eq!(Instant::now(), drained, "who waits is woken, not found by a heartbeat");
    assert!(stage.reader("alice", Some(&cursor)).await.rest().await.is_empty());
    say(&pen, "data: 2\n\n");
    settle().await;
    assert_eq!(stage.ended(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_is_silent_for_long_is_not_taken_for_one_that_has_vanished() {
    let stage = Stage::new();
    let mut reader = stage.reader("alice", None).await;
    let pen = stage.pen();
    say(&pen, "data: 1\n\n");
    let waiting = tokio::spawn(async move { reader.data(2).await });
    sleep(Duration::from_secs(300)).await;
    say(&pen, "data: 2\n\n");
    assert_eq!(waiting.await.unwrap(), ["1", "2"]);
}

// SSE-57
#[tokio::test(start_paused = true)]
async fn a_full_log_sends_away_with_a_retry_and_no_error_status() {
    let stage = Stage::with(Retention::default().streams(1), |layer| layer);
    let _first = stage.get(request("alice", None)).await;
    let second = stage.get(request("bob", None)).await;
    assert_eq!((second.status().as_u16(), stage.calls()), (200, 1));
    let body = second.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "retry: 3000\n\n");
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_was_ready_is_called() {
    struct Strict(bool);
    impl Clone for Strict {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<()>> for Strict {
        type Response = http::Response<http_body_util::Full<bytes::Bytes>>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            self.0 = true;
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            assert!(std::mem::take(&mut self.0), "called without having been ready");
            std::future::ready(Ok(http::Response::default()))
        }
    }
    let stage = Stage::new();
    let mut service = tower::Layer::layer(&stage.layer, Strict(false));
    for user in ["alice", "bob"] {
        let mut passed = request(user, None);
        passed.headers_mut().remove("x-user");
        for request in [request(user, None), passed] {
            service.ready().await.unwrap().call(request).await.unwrap();
        }
    }
}

#[test]
fn everything_is_send_and_sync_when_the_inner_parts_are() {
    fn demand<T: Send + Sync + 'static>() {}
    fn demand_send<T: Send + 'static>() {}
    type Full = http_body_util::Full<bytes::Bytes>;
    demand::<buttress_sse::ResumeLayer<buttress_sse::MemoryLog>>();
    demand::<crate::stage::Resuming>();
    demand::<buttress_sse::ResumeBody<Full, buttress_sse::MemoryLog>>();
    demand::<buttress_sse::ResumeFuture<(), (), (), buttress_sse::MemoryLog>>();
    demand_send::<crate::stage::Answering>();
}
