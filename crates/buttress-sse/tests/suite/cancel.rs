use buttress_sse::{Cursor, Event, MemoryLog, Publisher};
use http_body::Body;
use std::time::Duration;
use tokio::time::advance;

use crate::common::{Got, Polled, create, log, play};

/// What happens while a reader reads; it is polled after each.
fn scenes() -> Vec<fn(&MemoryLog, &mut Publisher)> {
    vec![
        |_, _| {},
        |_, stream| drop(stream.send_event(Event::data("2"))),
        |_, _| {},
        |_, stream| drop(stream.send_event(Event::data("3"))),
        |_, stream| stream.send_heartbeat(Event::data("beat")),
        |_, _| {},
        |_, stream| drop(stream.send_event(Event::data("4"))),
    ]
}

// SSE-45, SSE-46
#[tokio::test(start_paused = true)]
async fn a_body_dropped_at_any_poll_loses_nothing_for_the_next() {
    for polls in 0..=scenes().len() {
        let log = log();
        let mut stream = create(&log, "a");
        let first = stream.send_event(Event::data("1"));
        let mut body = Polled::new(play(&log, "a", Some(&first)));
        let (mut said, mut cursor) = (String::new(), first.clone());
        for scene in &scenes()[..polls] {
            scene(&log, &mut stream);
            match body.poll() {
                Got::Text(text) => said += &text,
                Got::Pending => advance(Duration::from_secs(1)).await,
                Got::End => panic!("the stream is live"),
            }
            assert!(!body.body.is_end_stream());
        }
        drop(body);
        for scene in &scenes()[polls..] {
            scene(&log, &mut stream);
        }
        let mut seen = data(&said, &mut cursor);
        let mut next = Polled::new(play(&log, "a", Some(&cursor)));
        seen.extend(data(&next.drain().0, &mut cursor));
        assert_eq!(seen, ["2", "3", "4"], "dropped after {polls} polls");
        stream.finish(Event::data("5"));
        assert_eq!(next.data(), ["5"]);
    }
}

/// The numbered events of a text, and the cursor they leave a reader with.
fn data(said: &str, cursor: &mut Cursor) -> Vec<String> {
    let mut data = Vec::new();
    for block in said.split("\n\n") {
        if let Some((id, rest)) = block.strip_prefix("id: ").and_then(|block| block.split_once('\n')) {
            *cursor = id.parse().unwrap();
            data.push(rest.strip_prefix("data: ").unwrap().to_owned());
        }
    }
    data
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reader_is_not_woken_and_leaves_the_others() {
    let log = log();
    let mut stream = create(&log, "a");
    let mut bodies: Vec<_> = (0..3).map(|_| Polled::new(play(&log, "a", None))).collect();
    bodies.iter_mut().for_each(|body| drop(body.drain()));
    let gone = bodies.remove(1);
    drop(gone);
    stream.send_event(Event::data("1"));
    for body in &mut bodies {
        assert_eq!((body.wakes(), body.data()), (1, vec!["1".to_owned()]));
    }
}
