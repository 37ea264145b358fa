//! A handler, a body and a store as the tests need them.

use std::{
    collections::VecDeque,
    convert::Infallible,
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::Problem;
use buttress_idempotency::{
    Bid, Claim, Event, EventKind, Held, IdempotencyLayer, IdempotencyStore, Lease, MemoryStore, Record, RecordKey,
    RequestBody, ResponseBody, Scope, ScopeOf, Scoped, Secret, Settled, Settlement, Token,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request::Parts};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::time::{Sleep, sleep};
use tower::{Layer, Service, ServiceExt};

/// Who calls, as a layer above would have put it there.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) &'static str);

pub(crate) type FindScope = for<'a> fn(&'a Parts) -> Result<Scope<'a>, Problem>;

/// The caller, and `jobs` as the operation.
pub(crate) fn scope(parts: &Parts) -> Result<Scope<'_>, Problem> {
    Ok(Scope::new(parts.extensions.get::<User>().map_or("ada", |user| user.0), "jobs"))
}

pub(crate) type Scope1 = Scoped<FindScope>;

pub(crate) fn layer() -> IdempotencyLayer<MemoryStore, Scope1> {
    layer_over(MemoryStore::default())
}

pub(crate) fn layer_over<St: IdempotencyStore>(store: St) -> IdempotencyLayer<St, Scope1> {
    IdempotencyLayer::new(store, Secret::new([7; 32])).scope(scope as FindScope)
}

/// What happened to keys, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<EventKind>>>);

impl Events {
    pub(crate) fn hook(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let events = self.0.clone();
        move |event| events.lock().unwrap().push(event.kind)
    }

    pub(crate) fn all(&self) -> Vec<EventKind> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn has(&self, kind: EventKind) -> bool {
        self.all().contains(&kind)
    }
}

/// A body that does as it is told.
#[derive(Debug, Default)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    hint: SizeHint,
    sleeping: Option<Pin<Box<Sleep>>>,
    /// Whether it says by `is_end_stream` when nothing is left.
    tells_end: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(&'static str),
    Big(usize),
    Trailers(&'static str, &'static str),
    Sleep(Duration),
    Fail,
    Panic,
    /// Gives way once.
    Yield,
    Hang,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn text(text: &'static str) -> Self {
        let body = Self::new([Step::Data(text)]).telling_end();
        Self { hint: SizeHint::with_exact(text.len() as u64), ..body }
    }

    pub(crate) fn telling_end(self) -> Self {
        Self { tells_end: true, ..self }
    }

    pub(crate) fn promising(self, len: u64) -> Self {
        Self { hint: SizeHint::with_exact(len), ..self }
    }
}

#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it broke")
    }
}

impl Error for Broken {}

impl Body for Script {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Some(sleeping) = &mut self.sleeping {
                std::task::ready!(sleeping.as_mut().poll(cx));
                self.sleeping = None;
            }
            return Poll::Ready(match self.steps.pop_front() {
                None => None,
                Some(Step::Data(text)) => Some(Ok(Frame::data(text.into()))),
                Some(Step::Big(len)) => Some(Ok(Frame::data(vec![b'x'; len].into()))),
                Some(Step::Trailers(name, value)) => {
                    Some(Ok(Frame::trailers(HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))))
                }
                Some(Step::Fail) => Some(Err(Broken)),
                Some(Step::Panic) => panic!("on purpose"),
                Some(Step::Sleep(time)) => {
                    self.sleeping = Some(Box::pin(sleep(time)));
                    continue;
                }
                Some(Step::Yield) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

pub(crate) type Asked = Request<RequestBody<Full<Bytes>>>;
pub(crate) type Answered = Result<Response<Script>, Broken>;

type Does = dyn Fn(usize, Asked) -> Answering + Send + Sync;
type Answering = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// Counts its runs, and answers as it is told.
#[derive(Clone)]
pub(crate) struct Handler {
    runs: Arc<AtomicUsize>,
    does: Arc<Does>,
}

impl Handler {
    /// `does` gets the number of the run, from 1 on.
    pub(crate) fn new<F>(does: impl Fn(usize, Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answered> + Send + 'static,
    {
        Self { runs: Arc::default(), does: Arc::new(move |run, request| Box::pin(does(run, request))) }
    }

    /// Answers `run 1`, `run 2` and so on.
    pub(crate) fn numbered() -> Self {
        Self::new(|run, _| async move { Ok(Response::new(numbered(run))) })
    }

    /// The same, after a while.
    pub(crate) fn slow(time: Duration) -> Self {
        Self::new(move |run, _| async move {
            sleep(time).await;
            Ok(Response::new(numbered(run)))
        })
    }

    /// Answers with this status, and a number.
    pub(crate) fn status(status: u16) -> Self {
        Self::new(move |run, _| async move {
            let mut response = Response::new(numbered(run));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok(response)
        })
    }

    /// Answers with this.
    pub(crate) fn with(make: impl Fn() -> Response<Script> + Send + Sync + 'static) -> Self {
        Self::new(move |_, _| {
            let response = make();
            async move { Ok(response) }
        })
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

fn numbered(run: usize) -> Script {
    const RUNS: [&str; 6] = ["run 0", "run 1", "run 2", "run 3", "run 4", "run 5"];
    Script::text(RUNS.get(run).copied().unwrap_or("run many"))
}

impl Service<Asked> for Handler {
    type Response = Response<Script>;
    type Error = Broken;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Asked) -> Self::Future {
        let run = self.runs.fetch_add(1, Ordering::SeqCst) + 1;
        (self.does)(run, request)
    }
}

pub(crate) fn post(key: &str, body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/jobs?a=1").header("idempotency-key", key).body(body.into()).unwrap()
}

/// An answer, read whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == Some("true")
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no problem: {self:?}")).to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends one request, and reads its answer to the end.
pub(crate) async fn send<S, St>(service: &S, request: Request<Full<Bytes>>) -> Seen
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResponseBody<Script, St>>, Error = Broken> + Clone,
    St: IdempotencyStore,
{
    read(service.clone().oneshot(request).await.unwrap()).await
}

pub(crate) async fn read<St: IdempotencyStore>(response: Response<ResponseBody<Script, St>>) -> Seen {
    let (head, body) = response.into_parts();
    let whole = body.collect().await.unwrap();
    let trailers = whole.trailers().cloned();
    let body = String::from_utf8(whole.to_bytes().to_vec()).unwrap();
    Seen { status: head.status.as_u16(), headers: head.headers, body, trailers }
}

/// A layer over a handler.
pub(crate) fn over<St, Sc>(
    layer: &IdempotencyLayer<St, Sc>,
    handler: &Handler,
) -> buttress_idempotency::Idempotency<Handler, St, Sc>
where
    St: IdempotencyStore,
    Sc: ScopeOf + Clone,
{
    layer.layer(handler.clone())
}

/// A store at the other end of a network: every answer takes a while, and may never come.
#[derive(Clone, Debug)]
pub(crate) struct Far(Arc<Line>);

#[derive(Debug, Default)]
pub(crate) struct Line {
    store: MemoryStore,
    /// Claims fail.
    pub(crate) deaf: AtomicBool,
    /// Settlements fail.
    pub(crate) forgetful: AtomicBool,
    /// Renewals fail.
    pub(crate) slips: AtomicBool,
    /// Nothing is ever answered.
    pub(crate) silent: AtomicBool,
    /// What is asked panics on its way.
    pub(crate) panics: AtomicBool,
    /// Whoever asks it anything panics.
    pub(crate) bites: AtomicBool,
    /// What waits for a run is told at once that it is over.
    pub(crate) hasty: AtomicBool,
    pub(crate) claims: AtomicUsize,
}

pub(crate) const FAR: Duration = Duration::from_millis(20);

impl Far {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn line(&self) -> &Line {
        &self.0
    }

    pub(crate) fn memory(&self) -> &MemoryStore {
        &self.0.store
    }

    /// Half of the way there, the operation, and the other half.
    fn ask<T: Send + 'static>(
        &self,
        fails: bool,
        operation: impl Future<Output = Result<T, Infallible>> + Send + 'static,
    ) -> Asking<T> {
        assert!(!self.0.bites.load(Ordering::SeqCst), "on purpose");
        let silent = self.0.silent.load(Ordering::SeqCst);
        let panics = self.0.panics.load(Ordering::SeqCst);
        Box::pin(async move {
            sleep(FAR / 2).await;
            assert!(!panics, "on purpose");
            if silent {
                std::future::pending::<()>().await;
            }
            if fails {
                return Err(Broken);
            }
            let Ok(done) = operation.await;
            sleep(FAR / 2).await;
            Ok(done)
        })
    }
}

type Asking<T> = Pin<Box<dyn Future<Output = Result<T, Broken>> + Send>>;

impl IdempotencyStore for Far {
    type Error = Broken;
    type Claim = Asking<Claim>;
    type Renew = Asking<Held>;
    type Settle = Asking<Settled>;
    type Wait = Asking<()>;
    type Look = Asking<Option<Record>>;
    type Purge = Asking<bool>;

    fn claim(&self, key: &RecordKey, bid: &Bid) -> Self::Claim {
        let (store, key, bid) = (self.memory().clone(), *key, *bid);
        self.0.claims.fetch_add(1, Ordering::SeqCst);
        self.ask(self.0.deaf.load(Ordering::SeqCst), async move { store.claim(&key, &bid).await })
    }

    fn renew(&self, key: &RecordKey, token: Token, lease: Lease) -> Self::Renew {
        let (store, key) = (self.memory().clone(), *key);
        let fails = self.0.slips.load(Ordering::SeqCst);
        self.ask(fails, async move { store.renew(&key, token, lease).await })
    }

    fn settle(&self, key: &RecordKey, token: Token, settlement: Settlement) -> Self::Settle {
        let (store, key) = (self.memory().clone(), *key);
        let fails = self.0.forgetful.load(Ordering::SeqCst);
        self.ask(fails, async move { store.settle(&key, token, settlement).await })
    }

    fn wait(&self, key: &RecordKey, token: Token) -> Self::Wait {
        let (store, key) = (self.memory().clone(), *key);
        if self.0.hasty.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Ok(())));
        }
        self.ask(false, async move { store.wait(&key, token).await })
    }

    fn look(&self, key: &RecordKey) -> Self::Look {
        let (store, key) = (self.memory().clone(), *key);
        self.ask(false, async move { store.look(&key).await })
    }

    fn purge(&self, key: &RecordKey) -> Self::Purge {
        let (store, key) = (self.memory().clone(), *key);
        self.ask(false, async move { store.purge(&key).await })
    }
}
