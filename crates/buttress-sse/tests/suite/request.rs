use buttress_sse::last_event_id;
use http::{HeaderMap, HeaderValue};

/// The cursor that counts, as text; `Err` when it is malformed.
fn chosen(header: Option<&'static [u8]>, query: Option<&str>) -> Result<Option<String>, ()> {
    let mut headers = HeaderMap::new();
    if let Some(value) = header {
        headers.insert("last-event-id", HeaderValue::from_bytes(value).unwrap());
    }
    last_event_id(&headers, query).map(|cursor| cursor.map(|cursor| cursor.to_string())).map_err(drop)
}

fn cursor(text: &str) -> Result<Option<String>, ()> {
    Ok(Some(text.into()))
}

// SSE-52
#[test]
fn the_header_wins_over_the_query() {
    assert_eq!(chosen(Some(b"a-1"), None), cursor("a-1"));
    assert_eq!(chosen(Some(b"a-1"), Some("lastEventId=b-2")), cursor("a-1"));
    assert_eq!(chosen(None, Some("x=1&lastEventId=b-2&y")), cursor("b-2"));
    assert_eq!(chosen(None, Some("xlastEventId=b-2")), Ok(None));
}

// SSE-52, SSE-53
#[test]
fn an_empty_one_and_earliest_count_as_none() {
    for header in [None, Some(&b""[..]), Some(b"earliest")] {
        assert_eq!(chosen(header, None), Ok(None));
        assert_eq!(chosen(header, Some("lastEventId=")), Ok(None));
    }
    assert_eq!(chosen(None, Some("lastEventId=earliest")), Ok(None));
    assert_eq!(chosen(Some(b""), Some("lastEventId=a-1")), cursor("a-1"));
}

// SSE-51
#[test]
fn what_is_no_cursor_is_malformed() {
    for header in [&b"17"[..], b"a:1-1", b"\xE9-1", b"a-1,"] {
        assert_eq!(chosen(Some(header), Some("lastEventId=a-1")), Err(()));
    }
    assert_eq!(chosen(None, Some("lastEventId=17")), Err(()));
}
