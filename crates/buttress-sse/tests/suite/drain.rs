use buttress_sse::{Cursor, Event, Resume};
use std::time::Duration;

use crate::common::{Got, Polled, Seen, create, decode, log, play, text};

const RETRY: Duration = Duration::from_secs(2);

/// The wait that a body asks for as the last thing it says.
fn parting(body: &mut Polled) -> Duration {
    let (said, ended) = body.drain();
    assert!(ended);
    match decode([said.as_bytes()])[..] {
        [Seen::Retry(wait)] => wait,
        ref other => panic!("{other:?}"),
    }
}

// SSE-56
#[tokio::test(start_paused = true)]
async fn readers_leave_at_once_with_waits_that_differ() {
    let log = log();
    let mut streams: Vec<_> = ["a", "b"].map(|key| create(&log, key)).into();
    let mut bodies: Vec<_> = ["a", "b"].map(|key| Polled::new(play(&log, key, None).retry(RETRY))).into();
    bodies.extend((0..8).map(|_| Polled::new(play(&log, "a", None).retry(RETRY))));
    for body in &mut bodies {
        assert_eq!(body.drain(), ("retry: 2000\n\n".into(), false));
    }
    log.drain();
    streams[0].send_event(Event::data("kept for later"));
    let waits: Vec<_> = bodies.iter_mut().map(parting).collect();
    assert!(bodies.iter().all(|body| body.wakes() == 1));
    assert!(waits.iter().all(|wait| (RETRY..=2 * RETRY).contains(wait)));
    assert!(waits.iter().any(|wait| *wait != waits[0]));
}

// SSE-56
#[tokio::test(start_paused = true)]
async fn a_reader_leaves_between_two_events() {
    let log = log();
    let mut stream = create(&log, "a");
    stream.send_event(Event::data("1"));
    stream.send_event(Event::data("2"));
    let mut body = Polled::new(play(&log, "a", None).retry(RETRY));
    body.poll();
    assert_eq!(body.poll(), text(format!("id: {}-1\ndata: 1\n\n", stream.cursor().epoch())));
    log.drain();
    parting(&mut body);
    assert_eq!(body.poll(), Got::End);
}

// SSE-57
#[tokio::test(start_paused = true)]
async fn who_comes_later_is_sent_away_with_a_wait() {
    let log = log();
    let mut stream = create(&log, "a");
    stream.send_event(Event::data("1"));
    log.drain();
    let late = create(&log, "b");
    let lost: Cursor = "x-1".parse().unwrap();
    for (key, cursor) in [("a", None), ("a", Some(&lost)), (late.key(), None)] {
        let replay = play(&log, key, cursor).retry(RETRY);
        assert!((RETRY..=2 * RETRY).contains(&parting(&mut Polled::new(replay))));
    }
    let last = stream.finish(Event::data("2"));
    assert!(matches!(log.resume_from("a", Some(&last)), Resume::Finished));
    assert!(matches!(log.resume_from("c", None), Resume::Unknown));
}
