use buttress_core::Problem;
use buttress_envelope::{EnvelopeLayer, Enveloped, INTERNAL, Mode, Raw, Route};
use http::Response;
use http_body_util::Full;

use crate::support::{JSON, Step, answer, full, got, request, said, script, text, through};

/// The header fields and the body of an answer that must go out as it is.
async fn untouched(method: &str, before: Response<Full<bytes::Bytes>>) {
    let what = format!("{method} {before:?}");
    let (status, headers) = (before.status(), before.headers().clone());
    let expected = text(before.body().clone()).await.unwrap();
    let after = through(EnvelopeLayer::new(), request(method, &[]), before).await;
    assert_eq!((after.status(), after.headers()), (status, &headers), "{what}");
    assert_eq!(text(after.into_body()).await.unwrap(), expected, "{what}");
}

// ENV-6: row by row
#[tokio::test]
async fn what_is_no_business_of_the_envelope_is_untouched() {
    let tag = ("etag", "\"v1\"");
    let of = |status, media, body: &'static str| {
        let fields = [("content-type", media), tag, ("content-length", "9"), ("accept-ranges", "bytes")];
        answer(status, &fields, full(body))
    };
    untouched("HEAD", of(200, "text/html", "")).await;
    untouched("CONNECT", of(200, "application/json", "")).await;
    for status in [100, 101, 103, 204, 205, 206, 300, 301, 302, 303, 307, 308] {
        untouched("GET", of(status, "application/json", "")).await;
    }
    for media in
        ["text/event-stream", "application/x-ndjson", "application/json-seq", "text/html", "image/webp", "video/mp4"]
    {
        untouched("GET", of(200, media, "123456789")).await;
    }
    untouched("GET", of(200, "application/problem+json", "123456789")).await;
    untouched("GET", answer(200, &[JSON, tag, ("content-encoding", "gzip")], full("zip"))).await;
    untouched("GET", answer(200, &[tag], full("no type"))).await;
}

// ENV-6
#[tokio::test]
async fn marked_answers_are_untouched_failures_too() {
    for status in [200, 404, 500] {
        let mut enveloped = answer(status, &[JSON, ("etag", "\"v1\"")], full("{}"));
        enveloped.extensions_mut().insert(Enveloped);
        untouched("GET", enveloped).await;
        let mut raw = answer(status, &[JSON, ("content-length", "2")], full("{}"));
        raw.extensions_mut().insert(Raw);
        raw.extensions_mut().insert(INTERNAL.problem("not told"));
        untouched("GET", raw).await;
    }
}

// ENV-6
#[tokio::test]
async fn a_route_can_opt_out() {
    let layer = EnvelopeLayer::new().route("/metrics", Mode::Raw);
    for (route, expected) in [("/metrics", "1"), ("/other", r#"{"ok":true,"data":1}"#)] {
        let mut raw = answer(200, &[JSON], full("1"));
        raw.extensions_mut().insert(Route::new(route));
        let after = through(layer.clone(), request("GET", &[]), raw).await;
        assert_eq!(text(after.into_body()).await.unwrap(), expected, "{route}");
    }
}

// ENV-6
#[tokio::test]
async fn the_fields_of_a_head_are_those_of_its_get() {
    for (length, wrapped) in [("1", "20"), ("0", "23"), ("1000000000", "1000000019")] {
        let fields = [("content-type", "application/geo+json"), ("content-length", length), ("etag", "\"v1\"")];
        let after = through(EnvelopeLayer::new(), request("HEAD", &[]), answer(200, &fields, full(""))).await;
        assert_eq!(after.headers()["content-length"], wrapped);
        assert_eq!(
            (said(&after, "etag").as_str(), said(&after, "content-type").as_str()),
            ("W/\"v1\"", "application/json")
        );
        assert_eq!(text(after.into_body()).await.unwrap(), "");
    }
    let nonsense = answer(200, &[JSON, ("content-length", "many")], full(""));
    let after = through(EnvelopeLayer::new(), request("HEAD", &[]), nonsense).await;
    assert!(!after.headers().contains_key("content-length"));
}

#[tokio::test]
async fn the_failure_of_a_head_has_fields_and_no_body() {
    let mut known = answer(404, &[], full(""));
    known.extensions_mut().insert(buttress_envelope::NOT_FOUND.problem("gone"));
    let get = got(known.clone()).await;
    let head = through(EnvelopeLayer::new(), request("HEAD", &[]), known).await;
    for name in ["content-length", "content-type", "cache-control", "vary", "x-correlation-id"] {
        assert_eq!(said(&head, name), said(&get, name), "{name}");
    }
    assert_eq!(text(head.into_body()).await.unwrap(), "");
    // What the body of the GET would say is not known.
    let bare = answer(404, &[("content-type", "text/plain"), ("content-length", "9")], full(""));
    let head = through(EnvelopeLayer::new(), request("HEAD", &[]), bare).await;
    assert_eq!(head.headers().get("content-length"), None);
    assert_eq!(head.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn the_etag_of_a_304_is_that_of_the_wrapped_200() {
    let after = got(answer(304, &[("etag", "\"v1\""), ("cache-control", "max-age=9")], full(""))).await;
    assert_eq!((said(&after, "etag").as_str(), said(&after, "cache-control").as_str()), ("W/\"v1\"", "max-age=9"));
    assert_eq!(text(after.into_body()).await.unwrap(), "");
}

#[tokio::test]
async fn what_is_passed_on_keeps_its_trailers_and_its_errors() {
    let stream = ("content-type", "text/event-stream");
    let body = got(answer(200, &[stream], script([Step::Data("x"), Step::Trailers]))).await.into_body();
    let collected = http_body_util::BodyExt::collect(body).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-sum"], "7");
    let body = got(answer(200, &[stream], script([Step::Fail("cut")]))).await.into_body();
    assert_eq!(text(body).await.unwrap_err().to_string(), "cut");
}

#[tokio::test]
async fn a_problem_on_a_success_makes_no_failure_of_it() {
    let mut fine = answer(200, &[JSON], full("1"));
    fine.extensions_mut().insert(INTERNAL.problem("by mistake"));
    let after = got(fine).await;
    assert!(after.extensions().get::<Problem>().is_some());
    assert_eq!(text(after.into_body()).await.unwrap(), r#"{"ok":true,"data":1}"#);
}
