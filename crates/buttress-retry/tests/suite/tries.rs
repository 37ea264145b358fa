//! What is tried again, and how often.

use std::num::NonZeroU32;

use buttress_core::Attempt;
use buttress_retry::{Repeat, RetryLayer};
use bytes::Bytes;
use http::{HeaderName, Request};
use http_body_util::Full;
use tower::{Layer, ServiceExt};

use crate::common::*;

fn layer() -> RetryLayer {
    RetryLayer::new().seed(7)
}

// RTY-1
#[tokio::test(start_paused = true)]
async fn a_read_is_tried_again_until_it_works() {
    let server = Server::answers([status(503), status(502)]);
    let response = layer().layer(server.clone()).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries()), (200, 3));
}

// RTY-1
#[tokio::test(start_paused = true)]
async fn a_post_is_sent_once_unless_it_has_a_key_or_a_mark() {
    let tries = async |request: Request<Full<Bytes>>| {
        let server = Server::answers([status(503)]);
        let _ = layer().layer(server.clone()).oneshot(request).await.unwrap();
        server.tries()
    };
    assert_eq!(tries(post("abc")).await, 1);
    for name in ["idempotency-key", "x-idempotency-key"] {
        let mut request = post("abc");
        request.headers_mut().insert(HeaderName::from_static(name), "k".parse().unwrap());
        assert_eq!(tries(request).await, 2);
    }
    let mut request = post("abc");
    request.extensions_mut().insert(Repeat::Always);
    assert_eq!(tries(request).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_marked_is_sent_once() {
    let server = Server::answers([status(503)]);
    let mut request = get();
    request.extensions_mut().insert(Repeat::Never);
    let response = layer().layer(server.clone()).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries()), (503, 1));
}

// RTY-4
#[tokio::test(start_paused = true)]
async fn the_first_try_counts() {
    for most in 1..5 {
        let server = Server::answers((0..10).map(|_| status(503)));
        let told = Told::default();
        let layer = told.by(layer().attempts(NonZeroU32::new(most).unwrap()));
        let response = layer.layer(server.clone()).oneshot(get()).await.unwrap();
        assert_eq!((response.status().as_u16(), server.tries()), (503, most as usize));
        assert_eq!(told.retries.lock().unwrap().len(), most as usize - 1);
        assert_eq!(told.reasons(), if most == 1 { vec![] } else { vec!["attempts"] });
    }
}

// RTY-15
#[tokio::test(start_paused = true)]
async fn answers_that_no_retry_cures_are_final() {
    for code in [400, 401, 403, 404, 405, 409, 410, 413, 422, 501] {
        let server = Server::answers([status(code)]);
        let told = Told::default();
        let response = told.by(layer()).layer(server.clone()).oneshot(get()).await.unwrap();
        assert_eq!((response.status().as_u16(), server.tries()), (code, 1));
        assert!(told.reasons().is_empty(), "nobody expected a retry");
    }
}

// RTY-15
#[tokio::test(start_paused = true)]
async fn errors_are_tried_again_and_the_last_one_is_handed_on() {
    let server = Server::new([Try::Fail, Try::Fail]);
    assert_eq!(layer().layer(server.clone()).oneshot(put("x")).await.unwrap().status(), 200);
    assert_eq!(server.tries(), 3);
    let server = Server::new([Try::Fail, Try::Fail, Try::Fail]);
    assert_eq!(layer().layer(server.clone()).oneshot(get()).await.unwrap_err(), Broken);
    assert_eq!(server.tries(), 3);
}

// RTY-17
#[tokio::test(start_paused = true)]
async fn every_try_has_its_number_and_all_else_that_the_request_had() {
    let server = Server::answers([status(503), status(503)]);
    let layer = layer().attempt_header(HeaderName::from_static("x-attempt"));
    let mut request = put("abc");
    request.headers_mut().insert("idempotency-key", "k".parse().unwrap());
    request.headers_mut().insert("traceparent", "00-1-2-01".parse().unwrap());
    request.headers_mut().append("accept", "a".parse().unwrap());
    request.headers_mut().append("accept", "b".parse().unwrap());
    request.extensions_mut().insert("kept");
    let _ = layer.layer(server.clone()).oneshot(request).await.unwrap();
    let seen = server.seen();
    assert_eq!(numbers(&seen), [Some(1), Some(2), Some(3)]);
    for (i, seen) in seen.iter().enumerate() {
        let headers = &seen.head.headers;
        assert_eq!(headers["x-attempt"], (i + 1).to_string());
        assert_eq!(
            (&headers["idempotency-key"], &headers["traceparent"]),
            (&"k".parse().unwrap(), &"00-1-2-01".parse().unwrap())
        );
        assert_eq!(headers.get_all("accept").iter().collect::<Vec<_>>(), ["a", "b"]);
        // D34: noxy drops the extensions of a second try.
        assert_eq!(seen.head.extensions.get(), Some(&"kept"));
        assert_eq!((seen.head.method.as_str(), seen.head.uri.path(), &seen.body[..]), ("PUT", "/x", &b"abc"[..]));
    }
}

// RTY-18
#[tokio::test(start_paused = true)]
async fn of_two_layers_one_retries() {
    let server = Server::answers((0..20).map(|_| status(503)));
    let stack = layer().layer(layer().layer(server.clone()));
    let response = stack.oneshot(put("abc")).await.unwrap();
    assert_eq!((response.status().as_u16(), server.tries()), (503, 3), "and not nine");
    assert_eq!(numbers(&server.seen()), [Some(1), Some(2), Some(3)]);
}

// RTY-18
#[tokio::test(start_paused = true)]
async fn a_call_that_is_counted_already_is_passed_through() {
    let server = Server::answers([status(503)]);
    let mut request = get();
    Attempt::FIRST.next().mark(request.extensions_mut());
    let response = layer().layer(server.clone()).oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), numbers(&server.seen())), (503, vec![Some(2)]));
}
