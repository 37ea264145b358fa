//! Bodies that break, lie or never end.

use std::{convert::Infallible, task::Poll};

use buttress_request_log::Outcome;
use http::Response;
use proptest::prelude::*;
use tower::{Layer, Service, service_fn};

use crate::common::{Broken, Records, Script, Step, answer, drain, get, poll, script};

#[tokio::test]
async fn a_body_that_breaks_hands_its_error_on() {
    let records = Records::default();
    let body = script(&[Step::Data("abc"), Step::Error, Step::Data("after")]);
    let mut body = answer(&records.layer(), get(), Response::new(body)).await.into_body();
    let _ = poll(&mut body);
    assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(Broken)))));
    let record = records.one();
    assert_eq!((record.outcome, record.response_bytes), (Outcome::BodyFailed, 3));
    drain(&mut body);
    drop(body);
    records.one();
}

#[tokio::test]
async fn a_body_that_ends_before_its_promised_length_has_failed() {
    let short = || Script { tells_its_end: true, ..script(&[Step::Data("abc")]) };
    let by_head = Response::builder().header("content-length", "10").body(short()).unwrap();
    let by_hint = Response::new(Script { length: Some(10), ..short() });
    let silent = Response::builder().header("content-length", "10").body(script(&[])).unwrap();
    let empty = Response::builder().header("content-length", "10");
    let empty = empty.body(Script { tells_its_end: true, ..script(&[]) }).unwrap();
    for (response, bytes) in [(by_head, 3), (by_hint, 3), (silent, 0), (empty, 0)] {
        let records = Records::default();
        drain(&mut answer(&records.layer(), get(), response).await.into_body());
        let record = records.one();
        assert_eq!((record.outcome, record.response_bytes), (Outcome::BodyFailed, bytes));
    }
}

#[tokio::test]
async fn a_body_longer_than_promised_was_answered_once_the_reader_has_its_share() {
    let records = Records::default();
    let body = Script { repeats: true, ..script(&[Step::Data("abc")]) };
    let response = Response::builder().header("content-length", "4").body(body).unwrap();
    let mut body = answer(&records.layer(), get(), response).await.into_body();
    let _ = (poll(&mut body), poll(&mut body));
    assert!(records.outcomes().is_empty());
    drop(body);
    assert_eq!(records.one().outcome, Outcome::Answered);
}

#[tokio::test]
async fn a_content_length_that_cannot_be_read_promises_nothing() {
    for length in ["", "-1", "+3", "3, 3", "1e3", "99999999999999999999999", "\u{fc}"] {
        let records = Records::default();
        let response = Response::builder().header("content-length", length.as_bytes());
        let response = response.body(script(&[Step::Data("abc")])).unwrap();
        drain(&mut answer(&records.layer(), get(), response).await.into_body());
        assert_eq!(records.one().outcome, Outcome::Answered, "{length:?}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_written_when_its_reader_leaves() {
    let records = Records::default();
    let body = Script { repeats: true, ..script(&[Step::Data("tick"), Step::Pending, Step::Data("")]) };
    let mut body = answer(&records.layer(), get(), Response::new(body)).await.into_body();
    for _ in 0..3_000 {
        let _ = poll(&mut body);
    }
    assert!(records.outcomes().is_empty());
    drop(body);
    let record = records.one();
    assert_eq!((record.outcome, record.response_bytes), (Outcome::ClientLeft, 4_000));
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => proptest::sample::select(vec!["", "a", "bc", "0123456789"]).prop_map(Step::Data),
        2 => Just(Step::Pending),
        1 => Just(Step::Trailers),
        1 => Just(Step::Error),
    ]
}

proptest! {
    #[test]
    fn whatever_a_body_does_and_wherever_its_reader_stops_there_is_one_line(
        steps in proptest::collection::vec(step(), 0..12),
        tells_its_end: bool,
        promised in proptest::option::of(0..40_u64),
        polls in 0..16_usize,
    ) {
        let records = Records::default();
        let mut response = Response::new(Script { tells_its_end, ..script(&steps) });
        if let Some(promised) = promised {
            response.headers_mut().insert("content-length", promised.into());
        }
        let mut response = Some(response);
        let handler = service_fn(|_| std::future::ready(Ok::<_, Infallible>(response.take().unwrap())));
        let future = records.layer().layer(handler).call(get());
        let mut body = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future).unwrap().into_body();

        let (mut bytes, mut broke, mut ended) = (0, false, false);
        for _ in 0..polls {
            match poll(&mut body) {
                Poll::Ready(Some(Ok(frame))) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                Poll::Ready(Some(Err(_))) => broke = true,
                Poll::Ready(None) => ended = true,
                Poll::Pending => {}
            }
            if broke || ended { break }
        }
        ended |= http_body::Body::is_end_stream(&body) && !broke;
        drop(body);
        let record = records.one();
        let short = promised.is_some_and(|promised| bytes < promised);
        let whole = promised.is_some_and(|promised| bytes >= promised);
        let expected = match () {
            () if broke => Outcome::BodyFailed,
            () if ended && short => Outcome::BodyFailed,
            () if ended || whole => Outcome::Answered,
            () => Outcome::ClientLeft,
        };
        prop_assert_eq!((record.outcome, record.response_bytes), (expected, bytes));
        prop_assert!(record.time_to_first_byte.is_none_or(|time| time <= record.duration));
    }
}
