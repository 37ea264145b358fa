use std::{cell::Cell, convert::Infallible, sync::Arc};

use axum_idempotent::{IdempotentLayer, IdempotentOptions};
use buttress_idempotency::{
    Bid, Capacity, Claim, Effect, Fingerprint, IdempotencyLayer, IdempotencyStore, Kept, Lease, MemoryStore, RecordKey,
    Retention, Scope, Secret, Settlement,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header::COOKIE};
use ruts::{
    CookieOptions, Session, SessionLayer,
    store::moka::{MokaStore, MokaStoreBuilder},
};
use tower::{ServiceBuilder, ServiceExt};
use tower_cookies::CookieManagerLayer;

use crate::{
    BARE, Case, Group, Operation,
    http::{Asked, bare, json, operation, plain_request},
};

const KEY: &str = "idempotency-key";

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new(
            "idempotency, no key",
            [Case::new(BARE, || operation(bare(json(200)), post)), Case::new("buttress", || ours(200, 0, post))],
        ),
        Group::new(
            "idempotency, replay",
            [
                Case::new(BARE, || operation(bare(json(200)), with_one_key)),
                Case::new("buttress", || ours(200, 0, with_one_key)),
            ],
        ),
        Group::new(
            "idempotency, first run",
            [
                Case::new(BARE, || operation(bare(json(200)), with_new_key)),
                Case::new("buttress", || ours(200, 0, with_new_key)),
            ],
        ),
        Group::new(
            "idempotency, first run, 100 000 keys held",
            [
                Case::new(BARE, || operation(bare(json(200)), with_new_key)),
                Case::new("buttress", || ours(200, 100_000, with_new_key)),
            ],
        ),
        Group::new(
            "idempotency, an answer of 100 MB passes",
            [
                Case::new(BARE, || operation(bare(json(100_000_000)), with_new_key)),
                Case::new("buttress", || ours(100_000_000, 0, with_new_key)),
            ],
        ),
        // It keeps its records in a session: what that costs alone is taken off.
        Group::new(
            "idempotency, replay, in a session",
            [
                Case::new(BARE, || theirs(false, with_one_key)),
                Case::new("axum-idempotent", || theirs(true, with_one_key)),
            ],
        ),
        Group::new(
            "idempotency, first run, in a session",
            [
                Case::new(BARE, || theirs(false, with_new_key)),
                Case::new("axum-idempotent", || theirs(true, with_new_key)),
            ],
        ),
    ]
}

/// A request that starts something, with four header fields as the others have.
fn post() -> Asked {
    let mut request = plain_request();
    *request.method_mut() = Method::POST;
    request
}

fn with_one_key() -> Asked {
    let mut request = post();
    request.headers_mut().insert(KEY, HeaderValue::from_static("5f0c0a4e-9d0e-4a3c-9b39-3c9b3a5c1f11"));
    request
}

fn with_new_key() -> Asked {
    thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });
    let number = COUNT.replace(COUNT.get() + 1);
    let mut request = post();
    let key = HeaderValue::from_str(&format!("5f0c0a4e-9d0e-4a3c-9b39-{number:012}")).expect("a header value");
    request.headers_mut().insert(KEY, key);
    request
}

fn ours(len: usize, held: u32, request: fn() -> Asked) -> Operation {
    let roomy = Capacity { records: 1_000_000.try_into().expect("not zero"), ..Capacity::default() };
    let store = MemoryStore::new(roomy);
    (0..held).for_each(|number| hold(&store, number));
    let layer =
        IdempotencyLayer::new(store, Secret::new([7; 32])).scope(|parts| Ok(Scope::new("user:4711", parts.uri.path())));
    operation(ServiceBuilder::new().layer(layer).service(bare(json(len))), request)
}

/// A record from before.
fn hold(store: &MemoryStore, number: u32) {
    // Spread as hashes are.
    let mixed = u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let key = RecordKey::from_bytes([mixed; 4].concat().try_into().expect("32 bytes"));
    let fingerprint = Fingerprint::from_bytes([1; 32]);
    let (lease, retention) = (Lease::default(), Retention::default());
    let bid = Bid { fingerprint, effect: Effect::Outside, lease, retention };
    let Ok(Claim::Won(token)) = store.claim(&key, &bid).into_inner() else { panic!("a free key") };
    let answer = Settlement::Complete(Kept::Whole(Bytes::from_static(b"{}")));
    store.settle(&key, token, answer).into_inner().expect("infallible");
}

/// With the session of one caller, who came before.
fn theirs(protected: bool, request: fn() -> Asked) -> Operation {
    let store = Arc::new(MokaStoreBuilder::new().build());
    let cookie = session(&store);
    let inner = bare::<axum::body::Body>(json(200)).map_response(|answer| answer.map(axum::body::Body::new));
    let with_cookie = move |request: Asked| {
        let mut request = request.map(axum::body::Body::new);
        request.headers_mut().insert(COOKIE, cookie.clone());
        request
    };
    let options = IdempotentOptions::default().use_idempotency_key_header(Some(KEY), true);
    let protected = protected.then(|| IdempotentLayer::<MokaStore>::new(options));
    let stack = ServiceBuilder::new()
        .map_request(with_cookie)
        .layer(CookieManagerLayer::new())
        .layer(sessions(&store))
        .option_layer(protected)
        .service(inner);
    operation(stack, request)
}

fn sessions(store: &Arc<MokaStore>) -> SessionLayer<MokaStore> {
    SessionLayer::new(store.clone())
        .with_cookie_options(CookieOptions::build().name("session").max_age(3_600).path("/"))
}

/// The cookie of a session that has something in it.
fn session(store: &Arc<MokaStore>) -> HeaderValue {
    let begin = async |request: axum::extract::Request| {
        let (mut parts, _) = request.into_parts();
        let session = <Session<MokaStore> as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &());
        let session = session.await.expect("a session");
        session.set("seen", &true, ruts::store::Ttl::new(3_600).expect("a time"), None).await.expect("a store");
        Ok::<_, Infallible>(axum::response::Response::new(axum::body::Body::empty()))
    };
    let stack = ServiceBuilder::new().layer(CookieManagerLayer::new()).layer(sessions(store));
    let request = Request::new(axum::body::Body::empty());
    let answer = stack.service(tower::service_fn(begin)).oneshot(request);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let Ok(answer) = runtime.block_on(answer);
    let cookie = answer.headers()["set-cookie"].to_str().expect("ASCII");
    cookie.split(';').next().expect("a cookie").parse().expect("a header value")
}
