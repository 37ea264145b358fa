use buttress_sse::{
    CreateErrorKind, Cursor, Event, EventId, EventName, MemoryLog, Publisher, REPLAY_FROM, Resume, Retention,
};
use http_body::Body;
use http_body_util::BodyExt;
use std::{error::Error, time::Duration};
use tokio::time::advance;

use crate::common::{Got, Polled, create, log, play, text};

const AGE: Duration = Duration::from_secs(60);

fn send(stream: &mut Publisher, data: &'static str) -> Cursor {
    stream.send_event(Event::data(data))
}

fn small(events: usize) -> MemoryLog {
    MemoryLog::new(Retention::default().events(events).age(AGE)).unwrap()
}

fn is_finished(log: &MemoryLog, cursor: Option<&Cursor>) -> bool {
    matches!(log.resume_from("a", cursor), Resume::Finished)
}

fn is_unknown(log: &MemoryLog, key: &str) -> bool {
    matches!(log.resume_from(key, None), Resume::Unknown)
}

// SSE-42
#[tokio::test(start_paused = true)]
async fn the_retry_line_leaves_before_the_first_event() {
    let log = log();
    let _stream = create(&log, "a");
    let mut body = Polled::new(play(&log, "a", None).retry(Duration::from_secs(2)));
    assert_eq!(body.poll(), text("retry: 2000\n\n"));
    assert_eq!(body.poll(), Got::Pending);
}

// SSE-41, SSE-54
#[tokio::test(start_paused = true)]
async fn the_head_keeps_caches_and_proxies_away() {
    let log = log();
    let mut stream = create(&log, "a");
    let cursor = send(&mut stream, "1");
    send(&mut stream, "2");
    let response = play(&log, "a", Some(&cursor)).into_response();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(response.status(), 200);
    assert_eq!(header("content-type").unwrap(), "text/event-stream; charset=utf-8");
    assert_eq!(header("cache-control").unwrap(), "no-store");
    assert_eq!(header("x-accel-buffering").unwrap(), "no");
    assert_eq!(header("content-length"), None);
    assert_eq!(header("replay-from").unwrap(), cursor.to_string());
    assert_eq!(play(&log, "a", None).into_response().headers()[REPLAY_FROM], "earliest");
}

// SSE-50
#[test]
fn an_event_has_its_cursor_for_an_id() {
    let log = log();
    let mut stream = create(&log, "a");
    let own = Event::data("x").name(EventName::from_static("progress")).id(EventId::new("own").unwrap());
    let first = stream.send_event(own);
    let second = send(&mut stream, "y");
    assert_eq!((first.offset(), second.offset()), (1, 2));
    assert_eq!(first.epoch(), second.epoch());
    assert_eq!(stream.cursor(), second);
    let mut body = Polled::new(play(&log, "a", None));
    body.poll();
    assert_eq!(body.poll(), text(format!("id: {first}\nevent: progress\ndata: x\n\n")));
    assert_eq!(body.poll(), text(format!("id: {second}\ndata: y\n\n")));
}

// SSE-46
#[tokio::test(start_paused = true)]
async fn a_known_cursor_gets_what_is_after_it_then_what_is_live() {
    let log = log();
    let mut stream = create(&log, "a");
    let cursors: Vec<_> = ["1", "2", "3"].map(|data| send(&mut stream, data)).into();
    for (seen, cursor) in cursors.iter().enumerate() {
        let mut body = Polled::new(play(&log, "a", Some(cursor)));
        assert_eq!(body.data(), ["1", "2", "3"][seen + 1..]);
    }
    let mut body = Polled::new(play(&log, "a", Some(&cursors[0])));
    // The seam: sent after the resume, before and between polls.
    send(&mut stream, "4");
    assert_eq!(body.data(), ["2", "3", "4"]);
    send(&mut stream, "5");
    assert_eq!(body.data(), ["5"]);
    assert_eq!(body.data(), [""; 0]);
}

// SSE-46
#[tokio::test(start_paused = true)]
async fn an_event_wakes_each_waiting_reader_once() {
    let log = log();
    let mut stream = create(&log, "a");
    let mut bodies: Vec<_> = (0..40).map(|_| Polled::new(play(&log, "a", None))).collect();
    bodies.iter_mut().for_each(|body| drop(body.drain()));
    send(&mut stream, "1");
    send(&mut stream, "2");
    for body in &mut bodies {
        assert_eq!(body.wakes(), 1);
        assert_eq!(body.data(), ["1", "2"]);
    }
}

// SSE-46
#[tokio::test(start_paused = true)]
async fn an_event_is_encoded_once_for_all_its_readers() {
    let log = log();
    let mut stream = create(&log, "a");
    let mut bodies: Vec<_> = (0..100).map(|_| Box::pin(play(&log, "a", None).into_body())).collect();
    for data in ["1", "2"] {
        for body in bodies.iter_mut().filter(|_| data == "1") {
            body.frame().await.unwrap().unwrap();
        }
        send(&mut stream, data);
        let mut places = Vec::new();
        for body in &mut bodies {
            places.push(body.frame().await.unwrap().unwrap().into_data().unwrap().as_ptr());
        }
        places.dedup();
        assert_eq!(places.len(), 1, "all share the same bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn events_may_be_of_any_size_one_after_the_other() {
    let log = MemoryLog::new(Retention::default().bytes(usize::MAX)).unwrap();
    let mut stream = create(&log, "a");
    let said: Vec<_> = [1, 300, 1, 600, 5_000, 2, 4_096, 0, 100_000, 3].map(|len| "x".repeat(len)).into();
    said.iter().for_each(|data| drop(stream.send_event(Event::data(data.clone()))));
    assert_eq!(Polled::new(play(&log, "a", None)).data(), said);
}

// SSE-47, SSE-49
#[tokio::test(start_paused = true)]
async fn a_cursor_of_another_stream_replays_nothing_of_it_and_is_told_so() {
    let log = log();
    let mut foreign = create(&log, "b");
    let mut stream = create(&log, "a");
    send(&mut stream, "1");
    let cursor = send(&mut foreign, "secret");
    let replay = play(&log, "a", Some(&cursor));
    assert!(replay.is_lost());
    let mut body = Polled::new(replay);
    body.poll();
    assert_eq!(body.poll(), text("event: reset\ndata: {\"type\":\"reset\"}\n\n"));
    assert_eq!(body.data(), ["1"]);
    assert_eq!(play(&log, "a", Some(&cursor)).into_response().headers()[REPLAY_FROM], "earliest");
}

// SSE-47
#[tokio::test(start_paused = true)]
async fn a_cursor_of_the_future_is_lost() {
    let log = log();
    let mut stream = create(&log, "a");
    let cursor = send(&mut stream, "1");
    let future: Cursor = format!("{}-{}", cursor.epoch(), u64::MAX).parse().unwrap();
    assert!(play(&log, "a", Some(&future)).is_lost());
    let next: Cursor = format!("{}-2", cursor.epoch()).parse().unwrap();
    assert!(play(&log, "a", Some(&next)).is_lost());
}

// SSE-47, SSE-48
#[tokio::test(start_paused = true)]
async fn a_gap_is_filled_whole_or_told() {
    let log = small(3);
    let mut stream = create(&log, "a");
    let cursors: Vec<_> = ["1", "2", "3", "4", "5"].map(|data| send(&mut stream, data)).into();
    // 3, 4 and 5 are kept.
    assert_eq!(Polled::new(play(&log, "a", Some(&cursors[1]))).data(), ["3", "4", "5"]);
    let replay = play(&log, "a", Some(&cursors[0]))
        .reset(|| Event::data("mine").name(EventName::from_static("other")).id(EventId::new("1").unwrap()));
    let mut body = Polled::new(replay);
    body.poll();
    assert_eq!(body.poll(), text("event: reset\ndata: mine\n\n"));
    assert_eq!(body.data(), ["3", "4", "5"]);
    // Without a cursor nothing has been missed.
    assert_eq!(Polled::new(play(&log, "a", None)).data(), ["3", "4", "5"]);
}

// SSE-47
#[tokio::test(start_paused = true)]
async fn a_reader_overtaken_by_eviction_is_told_so() {
    let log = small(2);
    let mut stream = create(&log, "a");
    let mut slow = Polled::new(play(&log, "a", None).reset(|| Event::data("reset")));
    let mut quick = Polled::new(play(&log, "a", None));
    slow.drain();
    for data in ["1", "2", "3"] {
        send(&mut stream, data);
        assert_eq!(quick.data(), [data]);
    }
    assert_eq!(slow.data(), ["reset", "2", "3"]);
}

// SSE-61
#[tokio::test(start_paused = true)]
async fn a_body_ends_right_after_the_last_event() {
    let log = log();
    let mut stream = create(&log, "a");
    let mut live = Polled::new(play(&log, "a", None));
    send(&mut stream, "1");
    assert_eq!(live.data(), ["1"]);
    let last = stream.finish(Event::data("2"));
    assert_eq!(live.poll(), text(format!("id: {last}\ndata: 2\n\n")));
    assert!(live.body.is_end_stream());
    assert_eq!(live.body.size_hint().exact(), Some(0));
    assert_eq!((live.poll(), live.poll()), (Got::End, Got::End));
}

// SSE-61
#[test]
fn a_finished_stream_is_replayed_until_it_has_been_read() {
    let log = log();
    let mut stream = create(&log, "a");
    let first = send(&mut stream, "1");
    let last = stream.finish(Event::data("2"));
    assert_eq!(Polled::new(play(&log, "a", None)).data(), ["1", "2"]);
    let mut body = Polled::new(play(&log, "a", Some(&first)));
    assert!(!body.body.is_end_stream());
    assert_eq!(body.drain(), (format!("retry: 3000\n\nid: {last}\ndata: 2\n\n"), true));
    assert!(is_finished(&log, Some(&last)));
    let unknown: Cursor = "x-1".parse().unwrap();
    assert_eq!(Polled::new(play(&log, "a", Some(&unknown)).reset(|| Event::data("reset"))).data(), ["reset", "1", "2"]);
}

#[test]
fn a_dropped_publisher_ends_its_stream() {
    let log = log();
    let mut stream = create(&log, "a");
    let mut body = Polled::new(play(&log, "a", None).heartbeat(buttress_sse::Heartbeat::never()));
    let last = send(&mut stream, "1");
    assert_eq!(body.drain(), (format!("retry: 3000\n\nid: {last}\ndata: 1\n\n"), false));
    drop(stream);
    assert_eq!(body.wakes(), 1);
    assert_eq!(body.poll(), Got::End);
    assert!(body.body.is_end_stream());
    assert!(is_finished(&log, Some(&last)));
    // A stream without any event has been read by everyone.
    drop(log.create("b").unwrap());
    assert!(matches!(log.resume_from("b", None), Resume::Finished));
    assert!(matches!(log.resume_from("b", Some(&last)), Resume::Finished));
}

// SSE-58
#[tokio::test(start_paused = true)]
async fn a_finished_stream_is_forgotten_at_its_age_and_a_live_one_is_not() {
    let log = small(10);
    let _live = create(&log, "live");
    create(&log, "a").finish(Event::data("1"));
    advance(AGE - Duration::from_millis(1)).await;
    assert!(!is_unknown(&log, "a"));
    assert_eq!(log.create("a").unwrap_err().kind(), CreateErrorKind::Exists);
    advance(Duration::from_millis(1)).await;
    assert!(is_unknown(&log, "a"));
    assert!(!is_unknown(&log, "live"));
    let cursor = create(&log, "a").finish(Event::data("2"));
    assert!(is_finished(&log, Some(&cursor)));
}

// SSE-46, SSE-58
#[tokio::test(start_paused = true)]
async fn a_reader_of_a_forgotten_stream_reads_it_to_its_end() {
    let log = small(10);
    let mut stream = create(&log, "a");
    send(&mut stream, "1");
    let mut body = Polled::new(play(&log, "a", None));
    stream.finish(Event::data("2"));
    advance(AGE).await;
    assert!(is_unknown(&log, "a"));
    assert_eq!(body.data(), ["1", "2"]);
}

// SSE-58
#[test]
fn a_full_log_forgets_the_first_that_finished_or_refuses() {
    let log = MemoryLog::new(Retention::default().streams(2)).unwrap();
    let first = create(&log, "first");
    let second = create(&log, "second");
    let error = log.create("third").unwrap_err();
    assert_eq!(error.kind(), CreateErrorKind::Full);
    assert!(error.source().is_none());
    drop(second);
    drop(first);
    let _third = create(&log, "third");
    assert!(is_unknown(&log, "second"));
    assert!(!is_unknown(&log, "first"));
}

// SSE-60
#[test]
fn a_key_has_one_publisher_also_over_clones() {
    let log = log();
    let clone = log.clone();
    let _stream = create(&log, "a");
    assert_eq!(clone.create("a").unwrap_err().kind(), CreateErrorKind::Exists);
    assert!(!is_unknown(&clone, "a"));
}

// SSE-58
#[test]
fn a_retention_of_nothing_is_refused() {
    let kept = Retention::default();
    for retention in [kept.events(0), kept.bytes(0), kept.age(Duration::ZERO), kept.streams(0)] {
        assert!(MemoryLog::new(retention).is_err());
    }
}

// SSE-58
#[tokio::test(start_paused = true)]
async fn bytes_bound_a_stream() {
    let log = MemoryLog::new(Retention::default().bytes(100)).unwrap();
    let mut stream = create(&log, "a");
    for _ in 0..10 {
        send(&mut stream, "x");
    }
    let frame = format!("id: {}\ndata: x\n\n", stream.cursor()).len();
    assert_eq!(Polled::new(play(&log, "a", None)).data().len(), 100 / frame);
}

// SSE-59
#[tokio::test(start_paused = true)]
async fn a_publisher_goes_on_when_nobody_listens() {
    let log = log();
    let mut stream = create(&log, "a");
    let mut body = Polled::new(play(&log, "a", None));
    body.drain();
    drop(body);
    send(&mut stream, "1");
    assert_eq!(Polled::new(play(&log, "a", None)).data(), ["1"]);
}

#[test]
fn everything_may_cross_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<MemoryLog>();
    check::<Publisher>();
    check::<buttress_sse::Replay>();
    check::<buttress_sse::EventBody>();
    check::<buttress_sse::Decoder>();
    check::<buttress_sse::InvalidEvent>();
}
