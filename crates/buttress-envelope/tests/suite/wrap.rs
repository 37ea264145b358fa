use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use buttress_envelope::{EnvelopeLayer, Enveloped, LengthMismatch};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;

use crate::support::{JSON, Script, Step, answer, full, got, request, script, text, through};

fn json(body: Script) -> Response<Script> {
    answer(200, &[JSON], body)
}

/// The data of each frame, and what came last.
async fn frames<B: Body<Data = bytes::Bytes> + Unpin>(mut body: B) -> (Vec<String>, Option<Result<String, B::Error>>) {
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) if frame.is_data() => seen.push(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()),
            Ok(frame) => {
                let sum = frame.into_trailers().unwrap()["x-sum"].to_str().unwrap().to_owned();
                assert!(body.is_end_stream() && body.frame().await.is_none());
                return (seen, Some(Ok(sum)));
            }
            Err(error) => {
                assert!(body.is_end_stream() && body.frame().await.is_none());
                return (seen, Some(Err(error)));
            }
        }
    }
    assert!(body.is_end_stream());
    (seen, None)
}

// ENV-6
#[tokio::test]
async fn the_frames_of_a_body_go_through_between_two_of_ours() {
    let body = script([Step::Data("[1,"), Step::Pause, Step::Data("2]")]);
    let (seen, end) = frames(got(json(body)).await.into_body()).await;
    assert_eq!(seen, [r#"{"ok":true,"data":"#, "[1,", "2]", "}"]);
    assert!(end.is_none());
}

#[tokio::test]
async fn no_byte_of_the_data_is_copied() {
    let data = bytes::Bytes::from(vec![b'1'; 1_000]);
    let mut body = got(answer(200, &[JSON], Full::new(data.clone()))).await.into_body();
    body.frame().await.unwrap().unwrap();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.data_ref().unwrap().as_ptr(), data.as_ptr());
}

/// Says its end with its last frame, and panics when it is polled after that.
struct Told(Vec<&'static str>);

impl Body for Told {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(self.0.remove(0).into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|data| data.len() as u64).sum())
    }
}

#[tokio::test]
async fn a_body_that_says_that_it_has_ended_is_not_polled_again() {
    let mut body = got(answer(200, &[JSON], Told(vec!["[1", "", "]"]))).await.into_body();
    for (data, left) in [(r#"{"ok":true,"data":"#, 4), ("[1", 2), ("", 2), ("]", 1), ("}", 0)] {
        assert!(!body.is_end_stream());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), data);
        assert_eq!(body.size_hint().exact(), Some(left), "after {data}");
    }
    assert!(body.is_end_stream() && body.frame().await.is_none());
}

#[tokio::test]
async fn trailers_come_after_the_suffix() {
    let (seen, end) = frames(got(json(script([Step::Data("1"), Step::Trailers]))).await.into_body()).await;
    assert_eq!(seen, [r#"{"ok":true,"data":"#, "1", "}"]);
    assert_eq!(end.unwrap().unwrap(), "7");
}

#[tokio::test]
async fn an_empty_body_is_null_however_it_is_empty() {
    let null = r#"{"ok":true,"data":null}"#;
    for body in [script([]), script([]).says(0), script([Step::Data("")]), script([Step::Pause, Step::Trailers])] {
        assert_eq!(text(got(json(body)).await.into_body()).await.unwrap(), null);
    }
    let bare = got(answer(202, &[], Empty::<bytes::Bytes>::new())).await;
    assert_eq!(bare.headers()["content-type"], "application/json");
    assert_eq!(text(bare.into_body()).await.unwrap(), null);
}

#[tokio::test]
async fn a_body_that_breaks_never_gets_the_suffix() {
    let (seen, end) = frames(got(json(script([Step::Data("[1,"), Step::Fail("cut")]))).await.into_body()).await;
    assert_eq!(seen, [r#"{"ok":true,"data":"#, "[1,"]);
    assert_eq!(end.unwrap().unwrap_err().to_string(), "cut");
}

#[tokio::test]
async fn a_body_that_lies_about_its_length_ends_with_an_error() {
    for (body, seen) in [
        (script([Step::Data("12")]).says(3), 2),
        (script([Step::Data("12"), Step::Trailers]).says(3), 2),
        (script([Step::Data("12"), Step::Data("345")]).says(3), 5),
        (script([Step::Data("1")]).says(0), 1),
        (script([]).says(3), 0),
    ] {
        let promised = body.size_hint().exact().unwrap();
        let (text, end) = frames(got(json(body)).await.into_body()).await;
        let error = end.unwrap().unwrap_err();
        let mismatch = error.downcast_ref::<LengthMismatch>().unwrap();
        assert_eq!((mismatch.promised(), mismatch.seen()), (promised, seen));
        assert!(!text.iter().any(|frame| frame.ends_with('}')), "{text:?}");
    }
}

// ENV-6
#[tokio::test]
async fn an_exact_length_stays_exact_and_an_unknown_one_goes() {
    let known = got(answer(200, &[JSON, ("content-length", "3")], full("123"))).await;
    let (header, hint) = (known.headers()["content-length"].to_str().unwrap().to_owned(), known.body().size_hint());
    let body = text(known.into_body()).await.unwrap();
    assert_eq!((header, hint.exact()), (body.len().to_string(), Some(body.len() as u64)));
    // A header without a body that vouches for it.
    let unknown = got(answer(200, &[JSON, ("content-length", "3")], script([Step::Data("123")]))).await;
    assert!(!unknown.headers().contains_key("content-length"));
    // What the handler left to its server is left to it.
    let silent = got(answer(200, &[JSON], full("123"))).await;
    assert!(!silent.headers().contains_key("content-length"));
}

#[tokio::test]
async fn a_length_of_zero_is_that_of_null() {
    let empty = got(answer(200, &[JSON, ("content-length", "0")], full(""))).await;
    assert_eq!(empty.headers()["content-length"], "23");
    assert_eq!(text(empty.into_body()).await.unwrap().len(), 23);
}

#[tokio::test]
async fn fields_that_speak_of_the_old_bytes_go_or_become_weak() {
    let headers = [
        JSON,
        ("etag", "\"v1\""),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("accept-ranges", "bytes"),
        ("digest", "x"),
        ("content-digest", "x"),
        ("repr-digest", "x"),
        ("content-md5", "x"),
        ("content-encoding", "identity"),
        ("set-cookie", "a=b"),
    ];
    let headers = got(answer(200, &headers, full("1"))).await.into_parts().0.headers;
    let mut left: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["content-encoding", "content-type", "etag", "last-modified", "set-cookie"]);
    assert_eq!(headers["etag"], "W/\"v1\"");
}

#[tokio::test]
async fn the_type_of_what_is_wrapped_is_json() {
    for (before, after) in [
        ("application/json; charset=utf-8", "application/json; charset=utf-8"),
        ("application/geo+json", "application/json"),
    ] {
        let answer = got(answer(200, &[("content-type", before)], full("1"))).await;
        assert_eq!(answer.headers()["content-type"], after);
    }
}

#[tokio::test]
async fn a_success_is_marked_only_by_choice() {
    let plain = got(answer(200, &[JSON], full("1"))).await;
    assert!(plain.extensions().get::<Enveloped>().is_none());
    let layer = EnvelopeLayer::new().mark_success();
    let marked = through(layer, request("GET", &[]), answer(200, &[JSON], full("1"))).await;
    assert!(marked.extensions().get::<Enveloped>().is_some());
    let again = got(marked).await;
    assert_eq!(text(again.into_body()).await.unwrap(), r#"{"ok":true,"data":1}"#);
}

proptest! {
    #[test]
    fn however_a_body_is_cut_its_hints_hold_at_every_frame(
        pieces in proptest::collection::vec("[0-9]{0,5}", 0..6), exact: bool, hinted: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let whole = pieces.concat();
            let total = whole.len() as u64;
            let body = Cut { pieces: pieces.into(), exact, hinted };
            let mut body = got(answer(200, &[JSON], body)).await.into_body();
            let mut left = total.max(if total == 0 { 4 } else { 0 }) + 19;
            let mut seen = String::new();
            loop {
                let hint = body.size_hint();
                assert!(hint.lower() <= left && hint.upper().is_none_or(|upper| left <= upper), "{hint:?} {left}");
                assert!(!exact || hint.exact() == Some(left));
                assert!(left == 0 || !body.is_end_stream());
                let Some(frame) = body.frame().await else { break };
                let data = frame.unwrap().into_data().unwrap();
                left -= data.len() as u64;
                seen.push_str(std::str::from_utf8(&data).unwrap());
            }
            let data = if whole.is_empty() { "null" } else { &whole };
            assert_eq!(seen, format!(r#"{{"ok":true,"data":{data}}}"#));
        });
    }
}

/// Digits in pieces, with exact hints, loose ones or none.
struct Cut {
    pieces: std::collections::VecDeque<String>,
    exact: bool,
    hinted: bool,
}

impl Body for Cut {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>>> {
        std::task::Poll::Ready(self.pieces.pop_front().map(|piece| Ok(http_body::Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let left = self.pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let mut hint = http_body::SizeHint::new();
        if self.exact {
            hint.set_exact(left);
        } else if self.hinted {
            hint.set_lower(left / 2);
            hint.set_upper(left + 3);
        }
        hint
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_passed_on_as_it_comes() {
    let mut body = got(json(script([Step::Data("[1"), Step::Data(",2"), Step::Hang]))).await.into_body();
    for expected in [r#"{"ok":true,"data":"#, "[1", ",2"] {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), expected);
    }
    let next = tokio::time::timeout(std::time::Duration::from_millis(1), body.frame()).await;
    assert!(next.is_err());
}
