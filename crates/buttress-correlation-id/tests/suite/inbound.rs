//! Which id a request gets, and who may have a say in it.

use buttress_core::{CorrelationId, PeerAddr, Problem};
use buttress_correlation_id::{Correlation, CorrelationLayer, OuterCorrelationId, Policy};
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tower::{Layer, ServiceExt};

use crate::support::{echo, id, service, through};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn request(pairs: &[(&str, &str)]) -> Request<()> {
    pairs.iter().fold(Request::builder(), |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
}

fn from(peer: &str, pairs: &[(&str, &str)]) -> Request<()> {
    let mut request = request(pairs);
    request.extensions_mut().insert(PeerAddr(peer.parse().unwrap()));
    request
}

/// The id below the layer, after checking that header, extension and answer agree.
async fn given<M>(layer: &CorrelationLayer<M>, request: Request<()>) -> String
where
    M: Clone + buttress_correlation_id::MakeCorrelationId,
{
    let (seen, answer) = through(layer, request).await;
    let lines: Vec<_> = seen.headers.get_all(CorrelationId::HEADER).iter().collect();
    assert_eq!(lines.len(), 1);
    let id = seen.extensions.get::<CorrelationId>().unwrap();
    assert_eq!((lines[0], &answer[CorrelationId::HEADER]), (&id.to_header_value(), &id.to_header_value()));
    id.to_string()
}

fn is_new(id: &str) -> bool {
    id.len() == 36 && id.as_bytes()[14] == b'7'
}

// COR-11
#[tokio::test]
async fn a_request_without_an_id_gets_a_new_one_each_time() {
    let layer = CorrelationLayer::new();
    let (one, two) = (given(&layer, request(&[])).await, given(&layer, request(&[])).await);
    assert!(is_new(&one) && is_new(&two) && one < two);
}

#[tokio::test]
async fn the_first_accepted_header_that_is_there_decides() {
    let layer = CorrelationLayer::new();
    assert_eq!(given(&layer, request(&[("x-correlation-id", "a")])).await, "a");
    assert_eq!(given(&layer, request(&[("x-request-id", "b")])).await, "b");
    assert_eq!(given(&layer, request(&[("x-request-id", "b"), ("x-correlation-id", "a")])).await, "a");
    let other = CorrelationLayer::new().accept([X_REQUEST_ID, CorrelationId::HEADER]);
    assert_eq!(given(&other, request(&[("x-request-id", "b"), ("x-correlation-id", "a")])).await, "b");
    assert!(is_new(&given(&CorrelationLayer::new().accept([]), request(&[("x-correlation-id", "a")])).await));
}

#[tokio::test]
async fn a_header_of_ones_own_choice_carries_the_id() {
    let layer = CorrelationLayer::new().header(X_REQUEST_ID);
    let (seen, answer) = through(&layer, request(&[("x-correlation-id", "a")])).await;
    assert_eq!((&seen.headers[X_REQUEST_ID], &answer[X_REQUEST_ID]), (&"a".parse().unwrap(), &"a".parse().unwrap()));
}

// COR-7, D28: tower-http 0.7.1 echoes an id of 8 000 bytes whole.
#[tokio::test]
async fn a_bad_id_is_replaced_and_left_nowhere() {
    let long = "x".repeat(8_000);
    for bad in ["", " ", "a b", "a,b", "a/b", "<script>", "a\tb", "\u{e4}", long.as_str(), &"x".repeat(10_240)] {
        let layer = CorrelationLayer::new();
        let all = [("x-correlation-id", bad), ("x-request-id", bad)];
        assert!(is_new(&given(&layer, request(&all)).await), "{bad}");
        let (seen, _) = through(&layer, request(&all)).await;
        assert!(!seen.headers.contains_key(X_REQUEST_ID), "{bad}");
        assert!(seen.extensions.get::<OuterCorrelationId>().is_none(), "{bad}");
    }
}

// COR-7
#[tokio::test]
async fn several_ids_are_none() {
    for pair in [["a", "b"], ["a", "a"], ["a", "<"]] {
        let twice = pair.map(|value| ("x-correlation-id", value));
        assert!(is_new(&given(&CorrelationLayer::new(), request(&twice)).await), "{pair:?}");
    }
}

// COR-10
#[tokio::test]
async fn bytes_that_are_no_text_are_replaced() {
    let mut request = request(&[]);
    request.headers_mut().insert(CorrelationId::HEADER, HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert!(is_new(&given(&CorrelationLayer::new(), request).await));
}

// COR-8
#[tokio::test]
async fn replace_makes_every_id_new_and_keeps_theirs_beside_it() {
    let layer = CorrelationLayer::new().policy(Policy::Replace);
    let (seen, _) = through(&layer, request(&[("x-request-id", "theirs")])).await;
    assert!(is_new(seen.extensions.get::<CorrelationId>().unwrap().as_str()));
    assert_eq!(seen.extensions.get(), Some(&OuterCorrelationId(id("theirs"))));
    assert!(!seen.headers.contains_key(X_REQUEST_ID));
}

// COR-7, COR-9
#[tokio::test]
async fn strict_refuses_a_bad_id_without_a_word_of_it() {
    let strict = CorrelationLayer::new().policy(Policy::Strict);
    let never = service(async |_| -> Result<http::Response<String>, ()> { panic!("refused requests go no further") });
    for bad in [vec![("x-correlation-id", "<script>")], vec![("x-correlation-id", "a"), ("x-correlation-id", "a")]] {
        let response = strict.layer(never.clone()).oneshot(request(&bad)).await.unwrap();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem = response.extensions().get::<Problem>().unwrap();
        assert_eq!((problem.code().as_str(), problem.layer()), ("bad_request", Some("correlation_id")));
        let id = response.headers()[CorrelationId::HEADER].to_str().unwrap().to_owned();
        assert!(is_new(&id));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["correlationId"], id);
        assert!(!body.to_string().contains("script"));
    }
    assert_eq!(given(&strict, request(&[("x-correlation-id", "good")])).await, "good");
    assert!(is_new(&given(&strict, request(&[])).await));
}

// COR-8
#[tokio::test]
async fn only_trusted_peers_have_a_say() {
    let layer = CorrelationLayer::new().trusted_when(|address| address.to_string().starts_with("10."));
    let theirs = [("x-request-id", "theirs")];
    for inside in ["10.1.2.3:4", "[::ffff:10.1.2.3]:4"] {
        assert_eq!(given(&layer, from(inside, &theirs)).await, "theirs");
    }
    for outside in [from("192.0.2.7:4", &theirs), from("[2001:db8::1]:4", &theirs), request(&theirs)] {
        let (seen, _) = through(&layer, outside).await;
        assert!(is_new(seen.extensions.get::<CorrelationId>().unwrap().as_str()));
        assert_eq!(seen.extensions.get(), Some(&OuterCorrelationId(id("theirs"))));
    }
}

// COR-8
#[cfg(feature = "ipnet")]
#[tokio::test]
async fn peers_are_trusted_by_their_network() {
    let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
    let layer = CorrelationLayer::new().trusted_peers(networks);
    for (peer, trusted) in [("10.9.9.9:1", true), ("[fd00::1]:1", true), ("11.0.0.1:1", false), ("[fe80::1]:1", false)]
    {
        assert_eq!(given(&layer, from(peer, &[("x-correlation-id", "a")])).await == "a", trusted, "{peer}");
    }
    let nobody = CorrelationLayer::new().trusted_peers([]);
    assert!(is_new(&given(&nobody, from("127.0.0.1:1", &[("x-correlation-id", "a")])).await));
}

#[tokio::test]
async fn ids_are_made_as_one_likes() {
    let layer = CorrelationLayer::new().make_with(|| id("mine"));
    assert_eq!(given(&layer, request(&[])).await, "mine");
    assert_eq!(given(&layer, request(&[("x-correlation-id", "theirs")])).await, "theirs");
}

// COR-9: tower-http never replaces an id that was set inside.
#[tokio::test]
async fn an_id_set_inside_is_replaced_on_the_answer() {
    let inner = service(async |_| {
        let mut response = http::Response::new(());
        response.headers_mut().append(CorrelationId::HEADER, HeaderValue::from_static("inner"));
        response.headers_mut().append(CorrelationId::HEADER, HeaderValue::from_static("inner-too"));
        Ok::<_, ()>(response)
    });
    let answer = CorrelationLayer::new().layer(inner).oneshot(request(&[("x-correlation-id", "a")])).await.unwrap();
    assert_eq!(answer.headers().get_all(CorrelationId::HEADER).iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn the_service_below_can_be_reached() {
    let mut svc: Correlation<u8> = CorrelationLayer::new().layer(1);
    *svc.get_mut() += 1;
    assert_eq!((*svc.get_ref(), svc.clone().into_inner()), (2, 2));
}

proptest! {
    // COR-7, COR-10
    #[test]
    fn whatever_comes_only_ids_go_on(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..3)) {
        let mut request = request(&[]);
        for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            request.headers_mut().append(CorrelationId::HEADER, value);
        }
        let response = futures_now(CorrelationLayer::new().layer(service(echo)).oneshot(request)).unwrap();
        prop_assert!(CorrelationId::try_from(&response.headers()[CorrelationId::HEADER]).is_ok());
    }
}

fn futures_now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("nothing here is ever pending"),
    }
}
