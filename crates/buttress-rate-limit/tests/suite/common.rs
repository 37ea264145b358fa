//! What several test files need: requests, a handler that counts, a store that is far away.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use buttress_core::PeerAddr;
use buttress_rate_limit::{
    Asks, ClientAddr, Decision, Key, KeyBy, Limit, MemoryStore, Quota, RateLimitLayer, RateStore, Reply, ResponseBody,
    by_extension,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::{Layer, ServiceExt};

pub(crate) type Body = Full<Bytes>;
pub(crate) type Answered = Response<ResponseBody<Body>>;

/// Who was authenticated, by a layer further out.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) &'static str);

pub(crate) fn by_user() -> impl KeyBy {
    by_extension(|user: &User| Key::text(user.0))
}

pub(crate) fn quota(text: &str) -> Quota {
    text.parse().unwrap()
}

pub(crate) fn from(peer: &str) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(PeerAddr(SocketAddr::new(peer.parse().unwrap(), 4711)));
    request
}

pub(crate) fn of(user: &'static str, peer: &str) -> Request<()> {
    let mut request = from(peer);
    request.extensions_mut().insert(User(user));
    request
}

pub(crate) fn with(mut request: Request<()>, name: &'static str, value: &str) -> Request<()> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// A limit by user, and one by address.
pub(crate) fn both(user: &str, address: &str) -> RateLimitLayer {
    let user = Limit::new("user", quota(user), by_user());
    RateLimitLayer::new([user, Limit::new("address", quota(address), ClientAddr::peer())]).unwrap()
}

/// One limit by address.
pub(crate) fn by_address(text: &str) -> RateLimitLayer {
    RateLimitLayer::new([Limit::new("address", quota(text), ClientAddr::peer())]).unwrap()
}

/// How often a handler ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<AtomicU32>);

impl Runs {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Handler {
    pub(crate) runs: Runs,
    pub(crate) answer: fn(Request<()>) -> Response<Body>,
}

pub(crate) fn handler() -> Handler {
    Handler { runs: Runs::default(), answer: |_| Response::new("hello".into()) }
}

impl tower::Service<Request<()>> for Handler {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.runs.0.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok((self.answer)(request)))
    }
}

pub(crate) async fn ask<St: RateStore>(layer: &RateLimitLayer<St>, request: Request<()>) -> Answered {
    let Ok(answer) = layer.layer(handler()).oneshot(request).await;
    answer
}

pub(crate) async fn status<St: RateStore>(layer: &RateLimitLayer<St>, request: Request<()>) -> u16 {
    ask(layer, request).await.status().as_u16()
}

/// How many of these requests pass.
pub(crate) async fn passed(layer: &RateLimitLayer, requests: impl IntoIterator<Item = Request<()>>) -> u32 {
    let mut passed = 0;
    for request in requests {
        passed += u32::from(status(layer, request).await == 200);
    }
    passed
}

pub(crate) async fn text(answer: Answered) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

pub(crate) async fn json(answer: Answered) -> Value {
    serde_json::from_str(&text(answer).await).unwrap()
}

pub(crate) fn header<'a, B>(answer: &'a Response<B>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// A store that takes its time, or fails.
#[derive(Clone, Debug)]
pub(crate) struct Far {
    store: MemoryStore,
    manner: Manner,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Slow(Duration),
    Broken,
    BrokenAtOnce,
    Silent,
    Panicking,
    PanickingLater,
}

impl Far {
    pub(crate) fn new(manner: Manner) -> Self {
        Self { store: MemoryStore::new(1_000).unwrap(), manner }
    }
}

impl RateStore for Far {
    type Limit = <MemoryStore as RateStore>::Limit;
    type Error = io::Error;
    type Deciding = Pin<Box<dyn Future<Output = Result<Decision, io::Error>> + Send>>;

    fn open(&self, name: &str) -> Self::Limit {
        self.store.open(name)
    }

    fn decide(&self, asks: &Asks<'_, Self::Limit>) -> Reply<Self::Deciding> {
        let Reply::Now(Ok(decision)) = self.store.decide(asks) else { panic!("memory answers at once") };
        let broken = || Err(io::Error::other("the connection broke"));
        match self.manner {
            Manner::Slow(time) => Reply::Later(Box::pin(async move {
                tokio::time::sleep(time).await;
                Ok(decision)
            })),
            Manner::Broken => Reply::Later(Box::pin(async move {
                tokio::task::yield_now().await;
                broken()
            })),
            Manner::BrokenAtOnce => Reply::Now(broken()),
            Manner::Panicking => panic!("on purpose"),
            Manner::PanickingLater => Reply::Later(Box::pin(async { panic!("on purpose") })),
            Manner::Silent => Reply::Later(Box::pin(std::future::pending())),
        }
    }
}
