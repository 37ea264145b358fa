//! Every layer of the kit, alone and stacked, under hyper, axum and warp, over HTTP/1.1 and HTTP/2: equal answers.

use std::{convert::Infallible, net::SocketAddr};

use axum::{Router, extract::ConnectInfo, middleware::map_request, response::IntoResponse};
use buttress_core::{Body, PeerAddr, Problem, ProblemCode};
use buttress_correlation_id::CorrelationLayer;
use buttress_envelope::{EnvelopeLayer, Mode};
use buttress_idempotency::{IdempotencyLayer, MemoryStore, Secret, Unscoped};
use buttress_rate_limit::{ClientAddr, Limit, RateLimitLayer};
use buttress_request_log::RequestLogLayer;
use buttress_sse::HeartbeatLayer;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinSet};
use tower::{ServiceBuilder, ServiceExt, layer::util::Identity, service_fn};
use warp::Filter;

/// What the handler of every host says, by path. `None`: there is nothing at this address, in the host's own words.
fn handle(path: &str) -> Option<Response<Body<Full<Bytes>>>> {
    const TEAPOT: ProblemCode = ProblemCode::new("teapot");
    let json = |status: StatusCode, body: &'static str| {
        let content = Body::inner(Full::new(Bytes::from_static(body.as_bytes())));
        let answer = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
        Some(answer.header(header::ETAG, "\"1\"").body(content).expect("an answer"))
    };
    match path {
        "/json" => json(StatusCode::OK, r#"{"a":[1,2]}"#),
        "/created" => json(StatusCode::CREATED, "null"),
        "/foreign" => json(StatusCode::BAD_REQUEST, r#"{"detail":"no such colour"}"#),
        "/broken" => json(StatusCode::BAD_GATEWAY, r#"{"error":"password=hunter2"}"#),
        "/text" => Some(Response::new(Body::full("plain"))),
        "/nothing" => Some(Response::builder().status(204).body(Body::full("")).expect("an answer")),
        "/problem" => Some(Problem::new(StatusCode::IM_A_TEAPOT, TEAPOT, "no coffee").into_response(None)),
        "/events" => {
            let events = Body::full("retry: 1\n\nid: 1\ndata: one\n\n");
            let answer = Response::builder().header(header::CONTENT_TYPE, "text/event-stream");
            Some(answer.header(header::CACHE_CONTROL, "no-store").body(events).expect("an answer"))
        }
        "/panic" => panic!("on purpose"),
        _ => None,
    }
}

/// The handler without a framework.
async fn bare<B>(request: Request<B>) -> Result<Response<Body<Full<Bytes>>>, Infallible> {
    let nothing = || Response::builder().status(404).body(Body::full("")).expect("an answer");
    Ok(handle(request.uri().path()).unwrap_or_else(nothing))
}

const PATHS: [&str; 8] = ["/json", "/created", "/foreign", "/broken", "/text", "/nothing", "/problem", "/events"];

/// Paths whose bare answers the hosts give in their own words, or not at all.
const ENVELOPED: [&str; 2] = ["/panic", "/unknown"];

/// What a client sees of an answer, apart from what belongs to the connection.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: String,
}

fn seen(status: StatusCode, mut headers: HeaderMap, body: &[u8]) -> Seen {
    for name in [header::DATE, header::TRANSFER_ENCODING, header::CONNECTION] {
        headers.remove(name);
    }
    // axum says it of an answer that has no body, also without a layer.
    if status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_LENGTH);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
    headers.sort();
    Seen { status, headers, body: text(body) }
}

/// `/path`, or with an idempotency key `first:KEY:/path` and later `again:KEY:/path`.
async fn ask(addr: SocketAddr, asked: &str, http2: bool) -> Seen {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Empty<Bytes>>();
    let (when, key_and_path) = asked.split_once(':').unwrap_or_default();
    let (key, path) = key_and_path.split_once(':').unwrap_or(("", asked));
    let mut request = Request::get(format!("http://{addr}{path}")).header("x-correlation-id", "fixed");
    if !key.is_empty() {
        request = request.method("POST").header("idempotency-key", key);
    }
    let answer = client.request(request.body(Empty::new()).expect("a request")).await.expect("an answer");
    let (mut parts, body) = answer.into_parts();
    let replayed = parts.headers.contains_key("idempotency-replayed");
    match when {
        "again" => assert!(replayed, "{asked}"),
        // Each host is asked several times: which of them is the first does not matter here.
        _ => _ = (parts.headers.remove("idempotency-replayed"), parts.headers.remove("x-should-retry")),
    }
    let body = body.collect().await.expect("a whole body").to_bytes();
    seen(parts.status, parts.headers, &body)
}

/// What the accept loop knows of a request.
fn from<B>(peer: SocketAddr, mut request: Request<B>) -> Request<B> {
    request.extensions_mut().insert(PeerAddr(peer));
    request
}

/// A listener on a free port.
async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    (listener, addr)
}

/// Serves a tower service on a free port with hyper, until the set of tasks is dropped.
macro_rules! serve_with_hyper {
    ($tasks:expr, $service:expr) => {{
        let (listener, addr) = listener().await;
        let service = $service;
        $tasks.spawn(async move {
            loop {
                let (stream, peer) = listener.accept().await.expect("a connection");
                let service = TowerToHyperService::new(service.clone().map_request(move |request| from(peer, request)));
                tokio::spawn(async move {
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        addr
    }};
}

/// Puts a stack of layers onto each host, and compares what they answer. Gives what is at the last path, or at `/json`.
macro_rules! same_on_every_host {
    ($layer:expr, $paths:expr) => {
        same_on_every_host!($layer, $paths, "/json")
    };
    ($layer:expr, $paths:expr, $seen:expr) => {{
        let mut tasks: JoinSet<()> = JoinSet::new();

        let on_hyper = serve_with_hyper!(tasks, ServiceBuilder::new().layer($layer).service(service_fn(bare::<_>)));

        let router =
            Router::new().fallback(async |request: axum::extract::Request| match handle(request.uri().path()) {
                Some(answer) => answer.map(axum::body::Body::new),
                None => StatusCode::NOT_FOUND.into_response(),
            });
        let (listener, on_axum) = listener().await;
        let router = router.layer($layer).layer(map_request(
            async |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: axum::extract::Request| from(peer, request),
        ));
        let app = router.into_make_service_with_connect_info::<SocketAddr>();
        tasks.spawn(async move { axum::serve(listener, app).await.expect("it serves") });

        let routes = warp::path::full().and_then(async |path: warp::path::FullPath| match handle(path.as_str()) {
            Some(answer) => {
                let (parts, body) = answer.into_parts();
                let body = body.collect().await.expect("it is whole").to_bytes();
                Ok(Response::from_parts(parts, warp::reply::Response::new(body.into()).into_body()))
            }
            None => Err(warp::reject::not_found()),
        });
        let on_warp = serve_with_hyper!(tasks, ServiceBuilder::new().layer($layer).service(warp::service(routes)));

        let paths: Vec<&str> = $paths.to_vec();
        for path in paths {
            let first = ask(on_hyper, path, false).await;
            for (host, addr) in [("hyper", on_hyper), ("axum", on_axum), ("warp", on_warp)] {
                for http2 in [false, true] {
                    assert_eq!(ask(addr, path, http2).await, first, "{path} on {host}, HTTP/2: {http2}");
                }
            }
        }
        ask(on_warp, $seen, true).await
    }};
}

#[tokio::test]
async fn without_a_layer_the_hosts_agree() {
    let seen = same_on_every_host!(Identity::new(), PATHS);
    assert_eq!(seen.body, r#"{"a":[1,2]}"#);
}

#[tokio::test]
async fn the_correlation_id_is_on_every_answer() {
    let seen = same_on_every_host!(CorrelationLayer::new(), PATHS);
    assert!(seen.headers.contains(&("x-correlation-id".into(), "fixed".into())), "{seen:?}");
}

#[tokio::test]
async fn the_request_log_changes_nothing() {
    let seen = same_on_every_host!(RequestLogLayer::new(), PATHS);
    assert_eq!(seen.body, r#"{"a":[1,2]}"#);
}

#[tokio::test]
async fn the_envelope_is_the_same_also_for_what_hosts_say_in_their_own_words() {
    let seen = same_on_every_host!(EnvelopeLayer::new(), [&PATHS[..], &ENVELOPED].concat());
    assert_eq!(seen.body, r#"{"ok":true,"data":{"a":[1,2]}}"#);
}

/// With a key, twice.
const KEYED: [&str; 12] = [
    "first:1:/json",
    "again:1:/json",
    "first:2:/created",
    "again:2:/created",
    "first:3:/foreign",
    "again:3:/foreign",
    "first:4:/text",
    "again:4:/text",
    "first:5:/nothing",
    "again:5:/nothing",
    "first:6:/problem",
    "again:6:/problem",
];

fn idempotency() -> IdempotencyLayer<MemoryStore, Unscoped> {
    IdempotencyLayer::new(MemoryStore::default(), Secret::random()).unscoped()
}

#[tokio::test]
async fn answers_are_replayed_alike() {
    let seen = same_on_every_host!(idempotency(), [&PATHS[..], &KEYED].concat());
    assert_eq!(seen.body, r#"{"a":[1,2]}"#);
}

#[tokio::test]
async fn event_streams_are_the_same_through_the_heartbeats() {
    let seen = same_on_every_host!(HeartbeatLayer::default(), PATHS, "/events");
    assert!(seen.headers.contains(&("cache-control".into(), "no-store, no-transform".into())), "{seen:?}");
}

/// One that takes the same from every request, so that all of them are told the same.
fn limited(cost: u32) -> RateLimitLayer {
    let limit = Limit::new("address", "10/h".parse().expect("a quota"), ClientAddr::peer()).cost(move |_| cost);
    RateLimitLayer::new([limit]).expect("a good limit")
}

// IPA-9: the peer's address is known on every host.
#[tokio::test]
async fn limits_are_told_alike_and_refuse_alike() {
    let seen = same_on_every_host!(limited(0), PATHS);
    assert_eq!(seen.body, r#"{"a":[1,2]}"#);
    assert!(seen.headers.contains(&("ratelimit".into(), r#""address";r=10;t=0"#.into())), "{seen:?}");
    let seen = same_on_every_host!(limited(11), PATHS);
    assert_eq!(seen.status, 413);
}

#[tokio::test]
async fn all_layers_stand_on_each_other() {
    let stack = || {
        let layers = ServiceBuilder::new().layer(CorrelationLayer::new()).layer(RequestLogLayer::new());
        layers
            .layer(EnvelopeLayer::new())
            .layer(limited(0))
            .layer(idempotency())
            .layer(HeartbeatLayer::default())
            .into_inner()
    };
    let seen = same_on_every_host!(stack(), [&PATHS[..], &ENVELOPED, &KEYED].concat());
    assert_eq!(seen.body, r#"{"ok":true,"data":{"a":[1,2]}}"#);
    assert!(seen.headers.contains(&("x-correlation-id".into(), "fixed".into())), "{seen:?}");
}

#[tokio::test]
async fn an_envelope_in_its_old_shape_is_the_same_too() {
    let seen = same_on_every_host!(EnvelopeLayer::new().mode(Mode::Legacy), PATHS);
    assert_eq!(seen.body, r#"{"a":[1,2]}"#);
}
