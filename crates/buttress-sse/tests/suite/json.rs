use buttress_sse::{Event, InvalidEventKind};
use std::{collections::BTreeMap, error::Error};

#[test]
fn json_is_one_line() {
    let event = Event::json(&serde_json::json!({"text": "a\nb"})).unwrap();
    assert_eq!(event.encode(), "data: {\"text\":\"a\\nb\"}\n\n");
}

#[test]
fn what_is_no_json_is_an_error_with_its_cause() {
    let error = Event::json(&BTreeMap::from([((1, 2), 3)])).unwrap_err();
    assert_eq!(error.kind(), InvalidEventKind::Json);
    assert_eq!(error.source().unwrap().to_string(), "key must be a string");
    assert_eq!(error.to_string(), "event data cannot be written as JSON");
}
