use buttress_core::{Body, Notes};
use buttress_envelope::{EnvelopeLayer, Mode, NOT_FOUND, Route};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;

use crate::support::{JSON, answer, full, request, said, text, through};

type Answer = Response<Body<Full<Bytes>>>;

fn success() -> Answer {
    answer(200, &[JSON, ("etag", "\"v1\"")], Body::inner(full("1")))
}

fn foreign() -> Answer {
    answer(400, &[JSON], Body::inner(full(r#"{"error":"x"}"#)))
}

fn problem() -> Answer {
    NOT_FOUND.problem("no such job").into_response(None)
}

async fn told(layer: &EnvelopeLayer, request: Request<()>, answer: Answer) -> String {
    text(through(layer.clone(), request, answer).await.into_body()).await.unwrap()
}

const OLD: [&str; 3] = ["1", r#"{"error":"x"}"#, r#"{"error":"no such job"}"#];

async fn is_old(layer: &EnvelopeLayer, headers: &[(&'static str, &str)]) -> bool {
    let mut said = Vec::new();
    for answer in [success(), foreign(), problem()] {
        said.push(told(layer, request("GET", headers), answer).await);
    }
    let new = said.iter().all(|body| body.starts_with(r#"{"ok":"#));
    assert!(new || said == OLD, "{said:?}");
    !new
}

#[tokio::test]
async fn legacy_answers_are_as_they_were_before() {
    let layer = EnvelopeLayer::new().mode(Mode::Legacy);
    assert!(is_old(&layer, &[("x-envelope", "new")]).await);
    let after = through(layer, request("GET", &[]), success()).await;
    assert_eq!((said(&after, "etag").as_str(), said(&after, "vary").as_str()), ("\"v1\"", ""));
}

#[tokio::test]
async fn in_dual_mode_the_caller_chooses_and_is_old_by_default() {
    let layer = EnvelopeLayer::new().mode(Mode::Dual);
    for (headers, old) in [
        (&[][..], true),
        (&[("x-envelope", "new")], false),
        (&[("x-envelope", " NEW ")], false),
        (&[("x-envelope", "legacy"), ("accept", "application/json;envelope=new")], true),
        (&[("accept", "application/json; envelope=new")], false),
        (&[("x-envelope", "nonsense"), ("accept", "application/json;envelope=new")], false),
        (&[("x-envelope", "nonsense")], true),
    ] {
        assert_eq!(is_old(&layer, headers).await, old, "{headers:?}");
    }
}

#[tokio::test]
async fn in_dual_mode_caches_are_told_what_the_answer_varies_by() {
    let layer = EnvelopeLayer::new().mode(Mode::Dual);
    for headers in [&[][..], &[("x-envelope", "new")]] {
        for answer in [success(), problem()] {
            let after = through(layer.clone(), request("GET", headers), answer).await;
            let vary: Vec<_> = after.headers().get_all("vary").iter().collect();
            assert_eq!(vary, ["accept", "x-envelope"], "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_switch_counts_for_the_next_request_and_one_call_rolls_back() {
    let layer = EnvelopeLayer::new();
    let handle = layer.handle();
    assert!(!is_old(&layer, &[]).await);
    handle.set_all(Mode::Legacy);
    assert!(is_old(&layer, &[]).await);
    handle.set_all(Mode::New);
    assert!(!is_old(&layer, &[]).await);
}

#[tokio::test]
async fn the_route_is_that_of_the_answer_then_of_the_request_then_of_the_notes() {
    let layer = EnvelopeLayer::new().route("/old", Mode::Legacy);
    let with = |request_route: Option<&'static str>, noted: Option<&'static str>| {
        let mut request = request("GET", &[]);
        if let Some(route) = request_route {
            request.extensions_mut().insert(Route::new(route));
        }
        let notes = Notes::default();
        notes.write(|n| n.route = noted.map(Into::into));
        request.extensions_mut().insert(notes);
        request
    };
    let mut named = success();
    named.extensions_mut().insert(Route::new("/old"));
    assert_eq!(told(&layer, with(Some("/new"), Some("/new")), named).await, "1");
    assert_eq!(told(&layer, with(Some("/old"), Some("/new")), success()).await, "1");
    assert_eq!(told(&layer, with(None, Some("/old")), success()).await, "1");
    assert_eq!(told(&layer, with(Some("/new"), Some("/old")), success()).await, r#"{"ok":true,"data":1}"#);
    assert_eq!(told(&layer, with(None, None), success()).await, r#"{"ok":true,"data":1}"#);
}

#[tokio::test]
async fn an_old_client_that_asks_for_problem_details_gets_them() {
    let layer = EnvelopeLayer::new().mode(Mode::Legacy);
    let body = told(&layer, request("GET", &[("accept", "application/problem+json")]), problem()).await;
    assert!(body.starts_with(r#"{"type":"about:blank""#), "{body}");
}
