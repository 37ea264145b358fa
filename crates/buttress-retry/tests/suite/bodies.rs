//! Bodies of requests: kept, and sent again as they were.

use buttress_retry::{Backoff, ReplayBody, RetryLayer};
use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};

use crate::common::*;

fn layer() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE)
}

fn put_script(body: Script) -> Request<Script> {
    Request::put("http://example.com/x").body(body).unwrap()
}

const FRAMES: [Step; 5] = [Step::Data("ab"), Step::Pending, Step::Data(""), Step::Data("cde"), Step::Trailers];

// RTY-2, D34: noxy drops the trailers of a second try.
#[tokio::test]
async fn a_body_of_several_frames_is_sent_again_with_its_trailers() {
    let server = Server::answers([status(503), status(503)]);
    let request = put_script(Script { length: Some(5), ..script(&FRAMES) });
    assert_eq!(layer().layer(server.clone()).oneshot(request).await.unwrap().status(), 200);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    for seen in seen {
        assert_eq!((&seen.body[..], seen.trailers, seen.hint), (&b"abcde"[..], Some(trailers()), Some(5)));
    }
}

// RTY-2
#[tokio::test]
async fn a_body_beyond_the_limit_is_sent_once_and_that_is_told() {
    for (known, frames) in [(true, 1), (false, 1), (false, 3)] {
        let told = Told::default();
        let server = Server::answers([status(503)]);
        let steps = vec![Step::Data("0123456789"); frames];
        let length = known.then_some(10 * frames as u64);
        let request = put_script(Script { length, ..script(&steps) });
        let layer = told.by(layer().replay_limit(9));
        let response = layer.layer(server.clone()).oneshot(request).await.unwrap();
        let seen = server.seen();
        assert_eq!((response.status().as_u16(), seen.len(), seen[0].body.len()), (503, 1, 10 * frames));
        assert_eq!(told.reasons(), ["body_too_large"]);
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_kept() {
    let server = Server::answers([status(503)]);
    let response = layer().replay_limit(4).layer(server.clone()).oneshot(put("abcd")).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries()), (200, 2));
}

// RTY-2; linkerd/linkerd2 #15649: a replay sent the first part twice when the answer came before the body was read.
#[tokio::test]
async fn a_body_that_nobody_began_to_read_is_sent_by_the_next_try_and_once() {
    for early in [Try::Early(status(503)), Try::Fail] {
        let server = Server::new([early, Try::Answer(status(503))]);
        let request = put_script(script(&FRAMES));
        assert_eq!(layer().layer(server.clone()).oneshot(request).await.unwrap().status(), 200);
        let seen = server.seen();
        assert_eq!(seen.iter().map(|seen| &seen.body[..]).collect::<Vec<_>>(), [&b""[..], b"abcde", b"abcde"]);
    }
}

/// Reads so many frames of each body, and answers 503.
fn reader(
    frames: usize,
) -> impl Service<Request<ReplayBody<Script>>, Response = http::Response<Full<Bytes>>, Error = Broken> + Clone {
    tower::service_fn(move |request: Request<ReplayBody<Script>>| async move {
        let mut body = request.into_body();
        for _ in 0..frames {
            // What comes again comes without its empty frame.
            body.frame().await.transpose().unwrap();
        }
        Ok(status(503))
    })
}

// RTY-2; linkerd/linkerd2 #11529: a panic over a missing body.
#[tokio::test]
async fn a_body_that_was_read_in_part_is_sent_once() {
    for (frames, tells_its_end, expected) in
        [(1, true, "body_unfinished"), (4, false, "body_unfinished"), (4, true, "attempts")]
    {
        let told = Told::default();
        let request = put_script(Script { tells_its_end, ..script(&FRAMES) });
        let response = told.by(layer()).layer(reader(frames)).oneshot(request).await;
        assert_eq!(response.unwrap().status(), 503);
        assert_eq!(told.reasons(), [expected], "{frames}");
    }
}

// RTY-2
#[tokio::test]
async fn a_body_that_is_still_being_sent_is_sent_once() {
    let (sender, mut bodies) = tokio::sync::mpsc::unbounded_channel();
    let inner = tower::service_fn(move |request: Request<ReplayBody<Full<Bytes>>>| {
        let _ = sender.send(request.into_body());
        async { Ok::<_, Broken>(status(503)) }
    });
    let told = Told::default();
    let response = told.by(layer()).layer(inner).oneshot(put("abc")).await.unwrap();
    assert_eq!((response.status().as_u16(), told.reasons()), (503, vec!["body_unfinished"]));
    // It goes on all the same.
    assert_eq!(bodies.recv().await.unwrap().collect().await.unwrap().to_bytes(), "abc");
    assert!(bodies.try_recv().is_err());
}

#[tokio::test]
async fn a_body_that_breaks_is_not_sent_again() {
    let server = Server::default();
    let told = Told::default();
    let request = put_script(script(&[Step::Data("a"), Step::Error]));
    assert_eq!(told.by(layer()).layer(server.clone()).oneshot(request).await.unwrap_err(), Broken);
    assert_eq!((server.tries(), told.reasons()), (0, vec!["body_unfinished"]));
}

/// What a body says of itself, frame by frame.
async fn told_by(body: ReplayBody<Script>) -> Vec<(Option<u64>, bool)> {
    let mut body = std::pin::pin!(body);
    let mut told = vec![(body.size_hint().exact(), body.is_end_stream())];
    while let Some(frame) = body.frame().await {
        frame.unwrap();
        told.push((body.size_hint().exact(), body.is_end_stream()));
    }
    told.push((body.size_hint().exact(), body.is_end_stream()));
    // RTY-2: whoever asks once more gets no more.
    assert!(body.frame().await.is_none());
    told
}

// RTY-2
#[tokio::test]
async fn length_and_end_are_told_as_truly_as_by_the_body_below() {
    let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let logged = log.clone();
    let inner = tower::service_fn(move |request: Request<ReplayBody<Script>>| {
        let logged = logged.clone();
        async move {
            let told = told_by(request.into_body()).await;
            logged.lock().unwrap().push(told);
            Ok::<_, Broken>(status(503))
        }
    });
    let body = Script { tells_its_end: true, ..script(&[Step::Data("ab"), Step::Data("c"), Step::Trailers]) };
    let _ = layer().layer(inner).oneshot(put_script(body)).await.unwrap();
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 3);
    // The first does not know its length; the end is known as soon as it is there.
    assert_eq!(log[0], [(None, false), (None, false), (None, false), (Some(0), true), (Some(0), true)]);
    for again in &log[1..] {
        assert_eq!(again[..], [(Some(3), false), (Some(1), false), (Some(0), false), (Some(0), true), (Some(0), true)]);
    }
}

#[tokio::test]
async fn an_empty_body_is_empty_each_time() {
    let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let logged = log.clone();
    let inner = Instantly(move |request: Request<ReplayBody<Script>>| {
        let body = request.into_body();
        logged.lock().unwrap().push((body.size_hint().exact(), body.is_end_stream()));
        status(503)
    });
    let body = Script { tells_its_end: true, ..Script::default() };
    let _ = layer().layer(inner).oneshot(put_script(body)).await.unwrap();
    assert_eq!(*log.lock().unwrap(), [(Some(0), true); 3]);
}

#[tokio::test]
async fn what_is_sent_once_keeps_its_hints_and_frames() {
    let server = Server::default();
    let request = Request::post("http://example.com/x").body(Script { length: Some(5), ..script(&FRAMES) }).unwrap();
    let _ = layer().layer(server.clone()).oneshot(request).await.unwrap();
    let seen = server.seen();
    assert_eq!((&seen[0].body[..], seen[0].hint, seen[0].trailers.is_some()), (&b"abcde"[..], Some(5), true));
}
