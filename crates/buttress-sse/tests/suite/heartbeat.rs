use buttress_sse::{Event, EventId, EventName, Heartbeat, MemoryLog, Publisher};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::{
    task::yield_now,
    time::{Instant, advance, timeout},
};

use crate::common::{Got, Polled, create, log, play, text, with_no_budget};

const INTERVAL: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(1);
const BEAT: &str = ":\n\n";

fn reader(heartbeat: Heartbeat) -> (MemoryLog, Publisher, Polled) {
    let log = log();
    let stream = create(&log, "a");
    let mut body = Polled::new(play(&log, "a", None).heartbeat(heartbeat));
    assert_ne!(body.poll(), Got::Pending);
    assert_eq!(body.poll(), Got::Pending);
    (log, stream, body)
}

// SSE-43, SSE-44
#[tokio::test(start_paused = true)]
async fn silence_of_the_interval_is_broken_by_a_comment() {
    let (_log, _stream, mut body) = reader(Heartbeat::default());
    for beats in 1..4 {
        advance(INTERVAL - TICK).await;
        assert_eq!(body.poll(), Got::Pending);
        advance(TICK).await;
        assert_eq!(body.wakes(), beats);
        assert_eq!(body.poll(), text(BEAT));
        assert_eq!(body.poll(), Got::Pending);
    }
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_silent_after_a_burst_gets_its_heartbeat() {
    let (_log, mut stream, mut body) = reader(Heartbeat::default());
    advance(INTERVAL).await;
    assert_eq!(body.poll(), text(BEAT));
    stream.send_event(Event::data("x"));
    with_no_budget(|| assert_eq!(body.data(), ["x"])).await;
    yield_now().await;
    assert_eq!(body.poll(), Got::Pending);
    let wakes = body.wakes();
    advance(INTERVAL).await;
    assert_eq!(body.wakes(), wakes + 1);
    assert_eq!(body.poll(), text(BEAT));
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn an_event_begins_the_silence_anew() {
    let (_log, mut stream, mut body) = reader(Heartbeat::default());
    for _ in 0..3 {
        advance(INTERVAL - TICK).await;
        stream.send_event(Event::data("x"));
        assert_eq!(body.data(), ["x"]);
    }
    advance(INTERVAL - TICK).await;
    assert_eq!(body.poll(), Got::Pending);
    advance(TICK).await;
    assert_eq!(body.poll(), text(BEAT));
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn an_event_that_is_ready_goes_before_a_heartbeat_that_is_due() {
    let (_log, mut stream, mut body) = reader(Heartbeat::default());
    advance(INTERVAL).await;
    stream.send_event(Event::data("x"));
    assert_eq!(body.data(), ["x"]);
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn only_what_was_written_to_this_reader_counts() {
    let (_log, mut stream, mut late) = reader(Heartbeat::default());
    advance(INTERVAL / 2).await;
    stream.send_event(Event::data("x"));
    advance(INTERVAL / 2).await;
    // Sent half an interval ago, written now.
    assert_eq!(late.data(), ["x"]);
    advance(INTERVAL - TICK).await;
    assert_eq!(late.poll(), Got::Pending);
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn heartbeats_stop_with_the_stream() {
    let (_log, stream, mut body) = reader(Heartbeat::default());
    stream.finish(Event::data("x"));
    assert_eq!(body.data(), ["x"]);
    advance(INTERVAL * 3).await;
    assert_eq!(body.poll(), Got::End);
}

// SSE-43
#[tokio::test(start_paused = true)]
async fn a_heartbeat_may_be_an_event_without_an_id() {
    let event = || Event::data("tick").name(EventName::from_static("heartbeat")).id(EventId::new("7").unwrap());
    let (_log, _stream, mut body) = reader(Heartbeat::every(INTERVAL).unwrap().event(event));
    advance(INTERVAL).await;
    assert_eq!(body.poll(), text("event: heartbeat\ndata: tick\n\n"));
}

// SSE-44
#[tokio::test(start_paused = true)]
async fn jitter_only_prolongs_the_silence() {
    let jitter = Duration::from_secs(5);
    let (_log, _stream, mut body) = reader(Heartbeat::every(INTERVAL).unwrap().jitter(jitter));
    let mut waits = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let frame = body.body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), BEAT);
        waits.push(begun.elapsed());
    }
    assert!(waits.iter().all(|wait| (INTERVAL..=INTERVAL + jitter + TICK).contains(wait)));
    assert!(waits.iter().any(|wait| *wait != waits[0]));
}

#[tokio::test(start_paused = true)]
async fn no_heartbeat_means_none() {
    for heartbeat in [Heartbeat::never(), Heartbeat::every(Duration::MAX).unwrap()] {
        let (_log, _stream, mut body) = reader(heartbeat.jitter(INTERVAL));
        assert!(timeout(INTERVAL * 1000, body.body.frame()).await.is_err());
    }
    assert!(Heartbeat::every(Duration::ZERO).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_sent_heartbeat_reaches_those_who_read_now_and_is_not_kept() {
    let (log, mut stream, mut body) = reader(Heartbeat::default());
    let seen = stream.send_event(Event::data("x"));
    stream.send_heartbeat(Event::data("tick").name(EventName::from_static("heartbeat")));
    assert_eq!(body.wakes(), 1);
    assert_eq!(body.drain().0, format!("id: {seen}\ndata: x\n\nevent: heartbeat\ndata: tick\n\n"));
    assert_eq!(stream.cursor(), seen);
    assert_eq!(Polled::new(play(&log, "a", None)).data(), ["x"]);
    // It was a write, too.
    advance(INTERVAL - TICK).await;
    assert_eq!(body.poll(), Got::Pending);
}

#[tokio::test(start_paused = true)]
async fn of_several_sent_heartbeats_a_slow_reader_gets_the_newest() {
    let (_log, stream, mut body) = reader(Heartbeat::default());
    stream.send_heartbeat(Event::data("1"));
    stream.send_heartbeat(Event::data("2"));
    assert_eq!(body.data(), ["2"]);
}
