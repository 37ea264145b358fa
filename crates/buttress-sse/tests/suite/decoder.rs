use crate::common::{Seen, comment, decode, message, named, retry};
use buttress_sse::{DecodeErrorKind, Decoder, Frame};
use bytes::Bytes;
use std::time::Duration;

/// What comes out, the same in one piece, byte by byte and in two pieces cut anywhere (SSE-1).
fn every_way(stream: &[u8]) -> Vec<Seen> {
    let whole = decode([stream]);
    assert_eq!(decode(stream.chunks(1)), whole, "byte by byte");
    for at in 0..=stream.len() {
        let (head, tail) = stream.split_at(at);
        assert_eq!(decode([head, tail]), whole, "cut at {at}");
    }
    whole
}

fn check(stream: impl AsRef<[u8]>, expected: &[Seen]) {
    assert_eq!(every_way(stream.as_ref()), expected);
}

// SSE-1
#[test]
fn chunks_may_be_cut_anywhere() {
    let stream = "id: 1\nevent: a\ndata: {\"x\":\ndata: 1}\n\n: hi\r\nretry: 7\r\n\r\ndata: zwölf €\r\r";
    check(stream, &[named("a", "{\"x\":\n1}", "1"), comment(), retry(7), message("zwölf €", "1")]);
}

// SSE-2
#[test]
fn bytes_that_are_no_utf8_are_replaced() {
    check(b"data: a\xFFb\xE2\x82\n\n", &[message("a\u{FFFD}b\u{FFFD}", "")]);
    check(b"event: \xC0\nid: \x80\ndata: x\n\n", &[named("\u{FFFD}", "x", "\u{FFFD}")]);
}

// SSE-1 to SSE-11; the streams of the Web Platform Tests, eventsource/format-*
#[test]
fn the_streams_of_the_web_platform_tests_are_read_as_they_say() {
    let comment = "x".repeat(2048);
    let comments = format!("data:1\r:\0\n:\r\ndata:2\n:{comment}\rdata:3\n:data:fail\r:{comment}\ndata:4\n\n");
    let parsing = "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\n\
                   data:4\n\n";
    let unknown = "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n";
    let table: [(&str, &[(&str, &str)]); 16] = [
        ("\u{FEFF}data:1\n\n\u{FEFF}data:2\n\ndata:3\n\n", &[("message", "1"), ("message", "3")]),
        ("\u{FEFF}\u{FEFF}data:1\n\ndata:2\n\ndata:3\n\n", &[("message", "2"), ("message", "3")]),
        (&comments, &[("message", "1\n2\n3\n4")]),
        ("retry:1000\ndata:test1\n\nid:test\ndata:test2", &[("message", "test1")]),
        ("data:\n\ndata\ndata\n\ndata:test\n\n", &[("message", ""), ("message", "\n"), ("message", "test")]),
        ("event:test\ndata:x\n\ndata:x\n\n", &[("test", "x"), ("message", "x")]),
        ("event: \ndata:data\n\n", &[("message", "data")]),
        (parsing, &[("message", "\0\n 2\n1\n3\n\n4")]),
        (unknown, &[("message", "test\n\ntest")]),
        ("data:\ttest\rdata: \ndata:test\n\n", &[("message", "\ttest\n\ntest")]),
        ("data:test\r\ndata\ndata:test\r\n\r", &[("message", "test\n\ntest")]),
        ("data:\0\n\n\n\n", &[("message", "\0")]),
        ("data:ok\u{2026}\n\n", &[("message", "ok\u{2026}")]),
        ("id: \0a\ndata:x\n\nid: a\0\ndata:x\n\n", &[("message", "x"), ("message", "x")]),
        ("retry:3000\nretry:1000x\ndata:x\n\n", &[("message", "x")]),
        ("retry\ndata:test\n\n", &[("message", "test")]),
    ];
    for (stream, expected) in table {
        let events = every_way(stream.as_bytes()).into_iter().filter_map(|seen| match seen {
            Seen::Message { name, data, id } => {
                assert_eq!(id, "", "{stream:?}");
                Some((name, data))
            }
            Seen::Retry(_) | Seen::Comment => None,
        });
        let expected = expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned()));
        assert_eq!(events.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{stream:?}");
    }
}

// SSE-3
#[test]
fn one_byte_order_mark_is_stripped_at_the_very_start() {
    check("\u{FEFF}data: a\n\ndata: b\n\n", &[message("a", ""), message("b", "")]);
    check("\u{FEFF}\u{FEFF}data: a\n\ndata: b\n\n", &[message("b", "")]);
    check("data: a\n\n\u{FEFF}data: b\n\n", &[message("a", "")]);
    check("data: \u{FEFF}a\n\n", &[message("\u{FEFF}a", "")]);
}

// SSE-3
#[test]
fn part_of_a_byte_order_mark_begins_an_unknown_field() {
    check(b"\xEF\xBBdata: a\n\ndata: b\n\n", &[message("b", "")]);
    check(b"\xEF\n\ndata: b\n\n", &[message("b", "")]);
    check(b"data: a\n\xEF\n\n", &[message("a", "")]);
}

// SSE-4
#[test]
fn lines_end_in_cr_lf_or_both_freely_mixed() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "data: a|data: b||data: c||".replace('|', end);
        check(stream, &[message("a\nb", ""), message("c", "")]);
    }
    check(
        "data: a\rdata: b\r\ndata: c\n\r\ndata: d\r\rdata: e\n\n",
        &[message("a\nb\nc", ""), message("d", ""), message("e", "")],
    );
    check("data: a\r\n\n", &[message("a", "")]);
}

// SSE-4
#[test]
fn other_line_breaks_of_unicode_are_data() {
    check("data: a\u{2028}b\u{2029}c\u{85}d\u{B}e\u{C}f\n\n", &[message("a\u{2028}b\u{2029}c\u{85}d\u{B}e\u{C}f", "")]);
}

// SSE-5
#[test]
fn a_leading_colon_is_a_comment_and_one_space_is_dropped() {
    check(":\ndata:\t a\ndata:  b\ndata:c\ndata\n: x: y\n\n", &[comment(), comment(), message("\t a\n b\nc\n", "")]);
}

// SSE-6
#[test]
fn field_names_are_exact() {
    check(
        "Data: a\ndata : b\n data: c\ndatas: d\ndat: e\nevents: f\nid2: g\nretryy: 1\nx\n\ndata: z\n\n",
        &[message("z", "")],
    );
}

// SSE-7
#[test]
fn data_lines_are_joined_and_no_data_is_no_event() {
    check("data: a\ndata\ndata: \n\n", &[message("a\n\n", "")]);
    check("data:\n\n", &[message("", "")]);
    check("data\n\ndata\ndata\n\ndata:\n", &[message("", ""), message("\n", "")]);
    check("event: x\n\n\n\n", &[]);
}

// SSE-8
#[test]
fn the_name_lasts_to_the_next_blank_line() {
    check("event: a\ndata: 1\n\ndata: 2\n\n", &[named("a", "1", ""), message("2", "")]);
    check("event: a\nevent\ndata: 1\n\n", &[message("1", "")]);
    check("event: a\n\ndata: 1\n\n", &[message("1", "")]);
    check("event: a\nevent: b\ndata: 1\n\n", &[named("b", "1", "")]);
}

// SSE-9
#[test]
fn the_id_lasts_until_another_comes() {
    check("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n", &[message("a", "1"), message("b", "1"), message("c", "")]);
    check("id: 1\n\ndata: a\n\n", &[message("a", "1")]);
    check("id: 1\ndata: a\nid: 2\n\n", &[message("a", "2")]);
    check("id: 1\n\nid: 2\0\ndata: a\n\nid: \0\n\ndata: b\n\n", &[message("a", "1"), message("b", "1")]);
}

// SSE-9
#[test]
fn the_last_id_is_that_of_the_frames_taken_so_far() {
    let mut decoder = Decoder::new();
    let mut chunk = Bytes::from("id: 1\ndata: a\n\nid: 2\n\nid: 3\ndata: b\n");
    assert!(matches!(decoder.decode(&mut chunk), Ok(Some(Frame::Message(_)))));
    assert_eq!(decoder.last_event_id(), "1");
    assert_eq!(decoder.decode(&mut chunk), Ok(None));
    assert_eq!(decoder.last_event_id(), "2");
}

// SSE-10
#[test]
fn retry_acts_when_its_line_ends() {
    check(
        "retry: 3000\nretry: 03000\nretry:5\nretry\nretry: 1x\nretry: -1\nretry: 1.5\n",
        &[retry(3000), retry(3000), retry(5)],
    );
    check("data: a\nretry: 9\ndata: b\n\n", &[retry(9), message("a\nb", "")]);
    let mut decoder = Decoder::new();
    let mut chunk = Bytes::from("retry: 20\nretry: x\ndata: a\n\n");
    while let Ok(Some(_)) = decoder.decode(&mut chunk) {}
    assert_eq!(decoder.retry(), Some(Duration::from_millis(20)));
}

// SSE-11
#[test]
fn what_is_unfinished_at_the_end_is_dropped_with_its_id() {
    check("id: 1\ndata: a\n\nid: 2\ndata: b\n", &[message("a", "1")]);
    check("data: a\n\ndata: b", &[message("a", "")]);
    let mut decoder = Decoder::new();
    for unfinished in ["id: 1\n\nid: 2\ndata: b\n", "id: 2\ndata", "id: 2\n: unended", "\u{FEFF}id: 2\r"] {
        let mut chunk = Bytes::from(unfinished);
        while let Ok(Some(_)) = decoder.decode(&mut chunk) {}
        decoder.restart();
        assert_eq!(decoder.last_event_id(), "1");
        let mut chunk = Bytes::from("\n\u{FEFF}\ndata: c\n\n");
        let Ok(Some(Frame::Message(message))) = decoder.decode(&mut chunk) else { panic!("{unfinished:?}") };
        assert_eq!((message.data(), message.id(), message.name()), ("c", "1", "message"));
    }
}

// SSE-3, SSE-11
#[test]
fn a_new_connection_may_begin_with_a_byte_order_mark() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(&mut Bytes::from("data: a\r")), Ok(None));
    decoder.restart();
    let mut chunk = Bytes::from("\u{FEFF}data: b\n\n");
    assert!(matches!(decoder.decode(&mut chunk), Ok(Some(Frame::Message(message))) if message.data() == "b"));
}

// SSE-12
#[test]
fn a_cr_at_the_end_of_a_chunk_dispatches_at_once() {
    let mut decoder = Decoder::new();
    let mut first = Bytes::from("data: a\r\r");
    assert!(matches!(decoder.decode(&mut first), Ok(Some(Frame::Message(message))) if message.data() == "a"));
    assert_eq!(decoder.decode(&mut first), Ok(None));
    let mut second = Bytes::from("\ndata: b\r\n\r");
    assert!(matches!(decoder.decode(&mut second), Ok(Some(Frame::Message(message))) if message.data() == "b"));
}

/// What is refused, and the limit: alike in one piece and byte by byte.
fn refusal((line, event): (usize, usize), stream: &str) -> Option<(DecodeErrorKind, usize)> {
    let run = |pieces: std::slice::Chunks<'_, u8>| {
        let mut decoder = Decoder::new().max_line(line).max_event(event);
        for piece in pieces {
            let mut chunk = Bytes::copy_from_slice(piece);
            loop {
                match decoder.decode(&mut chunk) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(decoder.decode(&mut Bytes::from("data: a\n\n")), Err(error), "repeated");
                        return Some((error.kind(), error.limit()));
                    }
                }
            }
        }
        None
    };
    let whole = run(stream.as_bytes().chunks(usize::MAX));
    assert_eq!(run(stream.as_bytes().chunks(1)), whole);
    whole
}

// SSE-13
#[test]
fn a_line_over_its_limit_is_an_error() {
    let too_long = Some((DecodeErrorKind::LineTooLong, 10));
    assert_eq!(refusal((10, 100), "data: 6789\n\n"), None);
    assert_eq!(refusal((10, 100), "data: 67890\n\n"), too_long);
    assert_eq!(refusal((10, 100), "data: 67890"), too_long);
    assert_eq!(refusal((10, 100), "id: 4567890\n"), too_long);
    assert_eq!(refusal((3, 100), "dat\nid\nnew\n"), None);
    assert_eq!(refusal((3, 100), "data\n"), Some((DecodeErrorKind::LineTooLong, 3)));
}

// SSE-13
#[test]
fn an_event_over_its_limit_is_an_error() {
    assert_eq!(refusal((100, 5), "data: 12\ndata: 45\n\n"), None);
    assert_eq!(refusal((100, 5), "data: 12\n\n".repeat(9).as_str()), None);
    let too_long = Some((DecodeErrorKind::EventTooLong, 5));
    assert_eq!(refusal((100, 5), "data: 12\ndata: 456\n\n"), too_long);
    assert_eq!(refusal((100, 5), "event: ab\nid: cd\ndata: ef\n\n"), too_long);
}

// SSE-13
#[test]
fn comments_and_unknown_fields_have_no_limit() {
    let long = "x".repeat(1000);
    assert_eq!(refusal((10, 10), &format!(":{long}\n{long}\ndatas: {long}\n\n")), None);
}

// SSE-14
#[test]
fn a_line_of_64_mib_is_read_within_its_limit() {
    let value = vec![b'x'; 64 << 20];
    let mut decoder = Decoder::new().max_line(65 << 20).max_event(65 << 20);
    assert_eq!(decoder.decode(&mut Bytes::from("data: ")), Ok(None));
    for piece in value.chunks(16 << 10) {
        assert_eq!(decoder.decode(&mut Bytes::copy_from_slice(piece)), Ok(None));
    }
    let frame = decoder.decode(&mut Bytes::from("\n\n"));
    assert!(matches!(frame, Ok(Some(Frame::Message(message))) if message.data_bytes() == &value));
}

// SSE-14
#[test]
fn one_byte_chunks_of_a_long_line_take_linear_work() {
    let mut decoder = Decoder::new();
    for byte in b"data: ".iter().chain(&[b'x'; 1 << 20]).chain(b"\n") {
        assert_eq!(decoder.decode(&mut Bytes::copy_from_slice(&[*byte])), Ok(None));
    }
    let frame = decoder.decode(&mut Bytes::from("\n"));
    assert!(matches!(frame, Ok(Some(Frame::Message(message))) if message.data().len() == 1 << 20));
}

#[test]
fn an_event_within_one_chunk_is_not_copied() {
    let stream = Bytes::from("id: 7\nevent: a\ndata: shared\n\n");
    let Ok(Some(Frame::Message(message))) = Decoder::new().decode(&mut stream.clone()) else { panic!("no message") };
    let data = message.into_data();
    assert_eq!(data.as_ptr(), stream[stream.len() - 8..].as_ptr());
}
