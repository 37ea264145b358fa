use buttress_sse::{Cursor, Event, EventId, EventName, InvalidEventKind};
use std::time::Duration;

const PROGRESS: EventName = EventName::from_static("progress");

#[test]
fn every_field_has_its_line() {
    let event = Event::data("x").name(PROGRESS).id(EventId::new("7").unwrap());
    let event = event.retry(Duration::from_millis(2500)).comment("why");
    assert_eq!(event.encode(), ": why\nretry: 2500\nid: 7\nevent: progress\ndata: x\n\n");
}

#[test]
fn a_block_may_carry_no_event() {
    assert_eq!(Event::empty().retry(Duration::ZERO).encode(), "retry: 0\n\n");
    assert_eq!(Event::empty().comment("").encode(), ": \n\n");
    assert_eq!(Event::empty().encode(), "\n");
}

#[test]
fn a_cursor_takes_the_place_of_the_id() {
    let cursor: Cursor = "e-12".parse().unwrap();
    assert_eq!(Event::data("").id(EventId::new("x").unwrap()).encode_at(&cursor), "id: e-12\ndata: \n\n");
}

// SSE-40
#[test]
fn line_ends_in_data_and_comments_open_no_field() {
    let evil = "a\nid: 1\revent: x\r\n\r\n\n:";
    let data = "data: a\ndata: id: 1\ndata: event: x\ndata: \ndata: \ndata: :\n\n";
    assert_eq!(Event::data(evil).encode(), data);
    assert_eq!(Event::empty().comment(evil).encode(), data.replace("data: ", ": "));
}

// SSE-40
#[test]
fn names_and_ids_that_open_a_field_are_refused() {
    for name in ["a\n", "\r", "a\r\ndata: x", ""] {
        assert_eq!(EventName::new(name).unwrap_err().kind(), InvalidEventKind::Name, "{name:?}");
    }
    for id in ["a\n", "\r", "\0", "1\r\ndata: x"] {
        assert_eq!(EventId::new(id).unwrap_err().kind(), InvalidEventKind::Id, "{id:?}");
    }
    for id in ["", "7", "07", "+7", "18446744073709551615", "18446744073709551616", "a"] {
        let event = Event::data("").id(EventId::new(id).unwrap());
        assert_eq!(event.encode(), format!("id: {id}\ndata: \n\n"));
        assert_eq!(EventId::new(id).unwrap().to_string(), id);
    }
    assert_eq!(EventId::new("7").unwrap(), EventId::from(7));
    assert_eq!(EventName::new(String::from("ok")).unwrap().as_str(), "ok");
}

#[test]
#[should_panic(expected = "an event name is not empty and has no CR or LF")]
fn a_bad_name_in_the_program_is_told_at_once() {
    let _ = EventName::from_static("a\nb");
}
