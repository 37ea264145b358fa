use buttress_sse::{Drain, Heartbeat, HeartbeatLayer};
use bytes::Bytes;
use http::{Method, Request};
use http_body::Body;
use http_body_util::Full;
use std::{str::from_utf8, time::Duration};
use tokio::time::advance;

use crate::{
    common::{Seen, decode},
    script::{Got, Heard, Script, Scripted, answer_to, event_stream, said},
};

const RETRY: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(1);

fn drained() -> (Drain, HeartbeatLayer) {
    let drain = Drain::new();
    let layer = HeartbeatLayer::default().without_opening().drained_by(&drain).retry(RETRY).grace(GRACE);
    (drain, layer)
}

fn begun(layer: &HeartbeatLayer, beginning: &'static str) -> (Script, Heard<Scripted>) {
    let script = Script::default();
    script.send(beginning);
    let mut heard = Heard::new(layer, &script);
    assert_eq!((heard.poll(), heard.poll()), (said(beginning), Got::Pending));
    (script, heard)
}

/// The wait that a body asks for as the last thing it says.
fn parting(heard: &mut Heard<Scripted>) -> Duration {
    assert!(!heard.body.is_end_stream());
    let Got::Text(text) = heard.poll() else { panic!("it left without a word") };
    assert_eq!((heard.body.is_end_stream(), heard.body.size_hint().exact()), (true, Some(0)));
    assert_eq!(heard.poll(), Got::End);
    match decode([&text[..]])[..] {
        [Seen::Retry(wait)] => wait,
        ref other => panic!("{other:?}"),
    }
}

// SSE-56
#[tokio::test(start_paused = true)]
async fn silent_streams_are_woken_and_leave_with_waits_that_differ() {
    let (drain, layer) = drained();
    let mut heard: Vec<_> = (0..10).map(|_| begun(&layer, "data: x\n\n")).collect();
    drain.clone().drain();
    assert!(heard.iter().all(|(_, heard)| heard.wakes() == 1));
    let waits: Vec<_> = heard.iter_mut().map(|(_, heard)| parting(heard)).collect();
    assert!(waits.iter().all(|wait| (RETRY..=RETRY * 2).contains(wait)));
    assert!(waits.iter().any(|wait| *wait != waits[0]));
}

// SSE-56
#[tokio::test(start_paused = true)]
async fn what_is_behind_the_border_is_not_sent() {
    let (drain, layer) = drained();
    let (script, mut heard) = begun(&layer, "data: x\n\n");
    script.send("data: y\n\n");
    drain.drain();
    parting(&mut heard);
    assert!(!script.was_polled_after_its_end());
}

// SSE-56
#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_later_leaves_at_once() {
    let (drain, layer) = drained();
    drain.drain();
    let script = Script::default();
    script.send("data: x\n\n");
    assert!((RETRY..=RETRY * 2).contains(&parting(&mut Heard::new(&layer, &script))));
    // What is no event stream does not.
    let request = Request::builder().method(Method::HEAD).body(()).unwrap();
    let answer = answer_to(&layer, request, event_stream(Full::<Bytes>::from("x")));
    assert_eq!(Heard::of(answer.into_body()).poll(), said("x"));
}

// SSE-43, SSE-56
#[tokio::test(start_paused = true)]
async fn an_event_that_is_open_is_ended_first() {
    let (drain, layer) = drained();
    let (script, mut heard) = begun(&layer, "data: x\n");
    drain.drain();
    assert_eq!((heard.wakes(), heard.poll()), (1, Got::Pending));
    script.send("data: y\n");
    assert_eq!((heard.poll(), heard.poll()), (said("data: y\n"), Got::Pending));
    advance(GRACE - TICK).await;
    script.send("\ndata: next\n\ndata: cut");
    // As much as is whole.
    assert_eq!(heard.poll(), said("\ndata: next\n\n"));
    parting(&mut heard);
}

#[tokio::test(start_paused = true)]
async fn the_last_words_are_said_also_if_the_frame_that_is_cut_was_the_last() {
    let (drain, layer) = drained();
    let (script, mut heard) = begun(&layer, "data: x\n");
    drain.drain();
    script.send("\nda");
    script.end();
    assert_eq!(heard.poll(), said("\n"));
    parting(&mut heard);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_does_not_end_in_time_ends_as_an_error() {
    for more in [false, true] {
        let (drain, layer) = drained();
        let (script, mut heard) = begun(&layer, "data: x\n");
        drain.drain();
        assert_eq!(heard.poll(), Got::Pending);
        advance(GRACE).await;
        assert_eq!(heard.wakes(), 2);
        if more {
            // A stream that never pauses inside an event that never ends.
            script.send("data: more");
        }
        assert_eq!(heard.poll(), Got::Unfinished);
        assert_eq!((heard.poll(), heard.body.is_end_stream()), (Got::End, true));
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_ends_when_its_time_is_over_is_not_thrown_away() {
    let (drain, layer) = drained();
    let (script, mut heard) = begun(&layer, "data: x\n");
    drain.drain();
    assert_eq!(heard.poll(), Got::Pending);
    advance(GRACE * 2).await;
    script.send("\n");
    assert_eq!(heard.poll(), said("\n"));
    parting(&mut heard);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_after_trailers() {
    let (drain, layer) = drained();
    let (script, mut heard) = begun(&layer, "data: x\n\n");
    script.trailers();
    assert_eq!((heard.poll(), heard.poll()), (Got::Trailers, Got::Pending));
    let before = heard.wakes();
    drain.drain();
    assert_eq!((heard.wakes() - before, heard.poll()), (1, Got::End));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ended_is_not_brought_back_by_a_drain() {
    let (drain, layer) = drained();
    let (script, mut heard) = begun(&layer, "data: x\n\n");
    script.end();
    assert_eq!(heard.poll(), Got::End);
    drain.drain();
    assert_eq!(heard.poll(), Got::End);
}

#[tokio::test(start_paused = true)]
async fn one_drain_ends_the_streams_of_several_layers_and_spares_all_others() {
    let (drain, one) = drained();
    let other = HeartbeatLayer::new(Heartbeat::never()).without_opening().drained_by(&drain);
    let spared = HeartbeatLayer::default().without_opening();
    let mut heard = [&one, &other, &spared].map(|layer| begun(layer, "data: x\n\n").1);
    drain.drain();
    assert_eq!(heard.each_ref().map(Heard::wakes), [1, 1, 0]);
    assert_eq!(heard[2].poll(), Got::Pending);
}

// SSE-45
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_gone_is_not_woken_and_only_the_newest_waker_is() {
    let (drain, layer) = drained();
    let (_, gone) = begun(&layer, "data: x\n\n");
    let (_script, mut heard) = begun(&layer, "data: x\n\n");
    drop(gone);
    // It moves to another task.
    let mut moved = Heard::new(&layer, &Script::default());
    std::mem::swap(&mut heard.body, &mut moved.body);
    assert_eq!(moved.poll(), Got::Pending);
    drain.drain();
    assert_eq!((heard.wakes(), moved.wakes()), (0, 1));
}

/// The last words stand apart from what was sent, wherever a drain comes.
// SSE-40, SSE-56
#[tokio::test(start_paused = true)]
async fn a_drain_after_any_byte_changes_no_event() {
    let stream = "id: 1\r\ndata: one\r\n\r\n\ndata: two\rid: 2\r\r: x\n\ndata: three\n\n";
    for cut in 0..=stream.len() {
        let (drain, layer) = drained();
        let script = Script::default();
        let mut heard = Heard::new(&layer, &script);
        script.send(&stream[..cut]);
        let mut all = Vec::new();
        while let Got::Text(text) = heard.poll() {
            all.extend_from_slice(&text);
        }
        drain.drain();
        for byte in stream[cut..].chars() {
            script.send(byte.to_string());
        }
        while let Got::Text(text) = heard.poll() {
            all.extend_from_slice(&text);
        }
        let mut seen = decode([&all[..]]);
        assert!(matches!(seen.pop(), Some(Seen::Retry(_))), "{:?}", from_utf8(&all));
        assert_eq!(seen, decode([stream.as_bytes()])[..seen.len()]);
        assert!(seen.len() >= decode([&stream.as_bytes()[..cut]]).len(), "nothing that was whole is lost");
    }
}
