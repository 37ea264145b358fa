use std::{
    future::Ready,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use buttress_rate_limit::{
    Asks, ClientAddr, Decision, Failure, Limit, MemoryStore, RateLimitLayer, RateStore, Reply, Settlement, Tab,
};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use super::common::{Far, Handler, Manner, by_address, from, handler, header, quota, status};

#[derive(Clone)]
struct Used(u32);

/// Answers 500 to `/fail`, and tells 30 units more for `/long`.
fn worker() -> Handler {
    let answer = |request: Request<()>| {
        let mut answer = Response::new("done".into());
        match request.uri().path() {
            "/fail" => *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
            "/long" => _ = answer.extensions_mut().insert(Used(30)),
            _ => {}
        }
        answer
    };
    Handler { answer, ..handler() }
}

fn tokens(time_out: Duration) -> Limit {
    Limit::new("tokens", quota("100/day"), ClientAddr::peer())
        .cost(|_| 10)
        .time_out(time_out)
        .on_failure(Failure::Open)
        .settle(|answer| match answer.extensions.get::<Used>() {
            _ if answer.status.is_server_error() => Settlement::Refund,
            Some(Used(units)) => Settlement::Charge(*units),
            None => Settlement::Keep,
        })
}

async fn left<St: RateStore>(layer: &RateLimitLayer<St>, path: &str) -> u16 {
    let mut request = from("192.0.2.1");
    *request.uri_mut() = path.parse().unwrap();
    let Ok(answer) = layer.layer(worker()).oneshot(request).await;
    let told = header(&answer, "ratelimit").split(';').nth(1).unwrap_or_default().trim_start_matches("r=").to_owned();
    told.parse().unwrap_or(u16::MAX)
}

async fn settles<St: RateStore>(layer: RateLimitLayer<St>) {
    // Fields tell how it stood when the request was let in.
    assert_eq!(left(&layer, "/").await, 90);
    assert_eq!(left(&layer, "/fail").await, 80);
    assert_eq!(left(&layer, "/long").await, 80, "failures cost nothing");
    assert_eq!(left(&layer, "/").await, 40, "long ones cost more");
}

#[tokio::test(start_paused = true)]
async fn answers_give_back_and_take_more() {
    settles(RateLimitLayer::new([tokens(Duration::from_secs(1))]).unwrap()).await;
    let far = Far::new(Manner::Slow(Duration::from_millis(3)));
    settles(RateLimitLayer::with_store(far, [tokens(Duration::from_secs(1))]).unwrap()).await;
}

// RLM-15
#[tokio::test(start_paused = true)]
async fn a_shadow_gives_nothing_back_that_it_did_not_take() {
    let limit = tokens(Duration::from_secs(1)).shadow();
    let layer = RateLimitLayer::new([limit.cost(|head| if head.path() == "/fail" { 200 } else { 10 })]).unwrap();
    assert_eq!(left(&layer, "/").await, 90);
    assert_eq!(left(&layer, "/fail").await, 90, "it does not fit");
    assert_eq!(left(&layer, "/").await, 80);
}

/// Fails once when it is told to.
#[derive(Default)]
struct FailsOnce {
    store: MemoryStore,
    fails: Arc<AtomicBool>,
}

impl RateStore for FailsOnce {
    type Limit = <MemoryStore as RateStore>::Limit;
    type Error = io::Error;
    type Deciding = Ready<Result<Decision, io::Error>>;

    fn open(&self, name: &str) -> Self::Limit {
        self.store.open(name)
    }

    fn decide(&self, asks: &Asks<'_, Self::Limit>) -> Reply<Self::Deciding> {
        if self.fails.swap(false, Ordering::Relaxed) {
            return Reply::Now(Err(io::Error::other("the connection broke")));
        }
        let Reply::Now(Ok(decision)) = self.store.decide(asks) else { panic!("memory answers at once") };
        Reply::Now(Ok(decision))
    }
}

// RLM-11
#[tokio::test(start_paused = true)]
async fn nothing_is_given_back_for_a_request_about_which_the_store_failed() {
    let store = FailsOnce::default();
    let fails = store.fails.clone();
    let layer = RateLimitLayer::with_store(store, [tokens(Duration::from_millis(20))]).unwrap();
    assert_eq!(left(&layer, "/").await, 90);
    fails.store(true, Ordering::Relaxed);
    left(&layer, "/fail").await;
    assert_eq!(left(&layer, "/").await, 80);
}

// RLM-11
#[tokio::test(start_paused = true)]
async fn an_answer_goes_out_also_if_the_store_does_not_hear_of_it() {
    for manner in [Manner::Broken, Manner::BrokenAtOnce, Manner::Silent] {
        let layer = RateLimitLayer::with_store(Far::new(manner), [tokens(Duration::from_millis(20))]).unwrap();
        let start = tokio::time::Instant::now();
        let mut request = from("192.0.2.1");
        *request.uri_mut() = "/fail".parse().unwrap();
        let Ok(answer) = layer.layer(worker()).oneshot(request).await;
        assert_eq!(answer.status(), 500);
        assert!(start.elapsed() <= Duration::from_millis(40));
    }
}

/// Panics at once or later, but for the first time.
struct PanicsThen {
    later: bool,
    far: Far,
    asked: AtomicBool,
}

impl RateStore for PanicsThen {
    type Limit = <Far as RateStore>::Limit;
    type Error = <Far as RateStore>::Error;
    type Deciding = <Far as RateStore>::Deciding;

    fn open(&self, name: &str) -> Self::Limit {
        self.far.open(name)
    }

    fn decide(&self, asks: &Asks<'_, Self::Limit>) -> Reply<Self::Deciding> {
        match (self.asked.swap(true, Ordering::Relaxed), self.later) {
            (false, _) => self.far.decide(asks),
            (true, false) => panic!("on purpose"),
            (true, true) => Reply::Later(Box::pin(async { panic!("on purpose") })),
        }
    }
}

// RLM-16
#[tokio::test(start_paused = true)]
async fn an_answer_goes_out_also_if_the_store_panics_at_it() {
    for later in [false, true] {
        let far = Far::new(Manner::Slow(Duration::from_millis(3)));
        let store = PanicsThen { later, far, asked: AtomicBool::new(false) };
        let layer = RateLimitLayer::with_store(store, [tokens(Duration::from_millis(20))]).unwrap();
        assert_eq!(left(&layer, "/fail").await, 90, "later: {later}");
    }
}

// RLM-16
#[tokio::test(start_paused = true)]
async fn a_settlement_that_panics_changes_nothing() {
    let limit = Limit::new("tokens", quota("1/h"), ClientAddr::peer()).settle(|_| panic!("on purpose"));
    let layer = RateLimitLayer::new([limit]).unwrap();
    assert_eq!(status(&layer, from("192.0.2.1")).await, 200);
    assert_eq!(status(&layer, from("192.0.2.1")).await, 429);
}

#[tokio::test(start_paused = true)]
async fn a_tab_can_be_kept_for_what_is_known_later() {
    let layer = by_address("10/h").with_tab();
    let kept: Arc<Mutex<Option<Tab>>> = Arc::default();
    let keep = kept.clone();
    let service = layer.layer(service_fn(move |request: Request<()>| {
        *keep.lock().unwrap() = request.extensions().get::<Tab>().cloned();
        async { Ok::<_, std::convert::Infallible>(Response::new(String::new())) }
    }));
    service.oneshot(from("192.0.2.1")).await.unwrap();
    let tab = kept.lock().unwrap().take().unwrap();
    let remaining = async |tab: &Tab| tab.standing("address").await.unwrap().unwrap().remaining();
    assert_eq!(remaining(&tab).await, 9);
    assert_eq!(tab.charge("address", 20).await.unwrap().unwrap().remaining(), 0);
    assert_eq!(status(&layer, from("192.0.2.1")).await, 429);
    tab.refund("address", 21).await.unwrap();
    assert_eq!(remaining(&tab).await, 10);
    assert_eq!(tab.charge("unknown", 1).await.unwrap(), None);
    assert_eq!(format!("{tab:?}"), r#"{"address": 1}"#);
}

#[tokio::test(start_paused = true)]
async fn without_asking_for_it_requests_carry_no_tab() {
    let service = by_address("10/h").layer(service_fn(async |request: Request<()>| {
        assert!(request.extensions().get::<Tab>().is_none());
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    }));
    service.oneshot(from("192.0.2.1")).await.unwrap();
}
