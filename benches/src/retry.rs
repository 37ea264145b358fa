//! Calls that leave, through layers that would try them again.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_retry::{Backoff, RetryLayer};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use seatbelt::{RecoveryInfo, ResilienceContext};
use tower::{
    Layer, Service,
    retry::{
        Policy,
        backoff::{Backoff as _, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff},
        budget::{Budget, TpsBudget},
    },
    util::rng::HasherRng,
};

use crate::{
    BARE, Case, Group, Operation,
    http::{Answer, Instantly, json, request},
};

type Call = Request<Full<Bytes>>;

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new(
            "retry, a read that works",
            [
                Case::new(BARE, || call(server(), get)),
                Case::new("buttress", || call(RetryLayer::new().layer(server()), get)),
                Case::new("tower, with backoff and budget", || call(of_tower().layer(server()), get)),
                Case::new("tower-resilience", || call(of_resilience().layer(server()), get)),
                Case::new("seatbelt", || call(of_seatbelt().layer(server()), get)),
            ],
        ),
        Group::new(
            "retry, a write of 200 B with a key that works",
            [
                Case::new(BARE, || call(server(), put)),
                Case::new("buttress", || call(RetryLayer::new().layer(server()), put)),
                Case::new("tower, with backoff and budget", || call(of_tower().layer(server()), put)),
                Case::new("tower-resilience", || call(of_resilience().layer(server()), put)),
                Case::new("seatbelt", || call(of_seatbelt().layer(server()), put)),
            ],
        ),
        Group::new(
            "retry, a read with an extension of somebody else that works",
            [
                Case::new(BARE, || call(server(), get_extended)),
                Case::new("buttress", || call(RetryLayer::new().layer(server()), get_extended)),
                Case::new("tower, with backoff and budget", || call(of_tower().layer(server()), get_extended)),
            ],
        ),
        Group::new(
            "retry, a write that is sent once",
            [
                Case::new(BARE, || call(server(), post)),
                Case::new("buttress", || call(RetryLayer::new().layer(server()), post)),
            ],
        ),
        Group::new(
            "retry, one failure, no wait",
            [
                Case::new("two calls of the bare service", || twice(server(), get)),
                Case::new("buttress", || call(at_once().layer(failing()), get)),
                Case::new("tower, at once", || call(tower::retry::RetryLayer::new(AtOnce).layer(failing()), get)),
            ],
        ),
    ]
}

/// Reads the body of each request, and answers at once: with 503 every other time, if it fails.
#[derive(Clone)]
struct Server {
    answer: Bytes,
    well: Option<Arc<AtomicBool>>,
}

fn server() -> Server {
    Server { answer: json(200), well: None }
}

fn failing() -> Server {
    Server { well: Some(Arc::new(AtomicBool::new(true))), ..server() }
}

impl<B: Body<Data = Bytes>> Service<Request<B>> for Server {
    type Response = Answer;
    type Error = Infallible;
    type Future = Instantly;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Instantly {
        let fails = self.well.as_ref().is_some_and(|well| well.fetch_xor(true, Ordering::Relaxed));
        read(black_box(request).into_body());
        let mut answer = Response::new(Full::new(self.answer.clone()));
        answer.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if fails {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        ready(Ok(answer))
    }
}

/// A request as the host hands it on, with this method and body.
fn to_be_sent(method: Method, body: Bytes) -> Call {
    let mut call = request().map(|_| Full::new(body));
    *call.method_mut() = method;
    call
}

fn get() -> Call {
    to_be_sent(Method::GET, Bytes::new())
}

/// What a handler may have put there, and the kit knows nothing of.
#[derive(Clone)]
struct Foreign(#[allow(dead_code, reason = "nobody reads it")] u64);

fn get_extended() -> Call {
    let mut call = get();
    call.extensions_mut().insert(Foreign(7));
    call
}

fn post() -> Call {
    to_be_sent(Method::POST, Bytes::from_static(&[b'x'; 200]))
}

fn put() -> Call {
    let mut call = post();
    call.headers_mut().insert(HeaderName::from_static("idempotency-key"), HeaderValue::from_static("\"8e03978e\""));
    call
}

fn call<S, B>(mut service: S, request: fn() -> Call) -> Operation
where
    S: Service<Call, Response = Response<B>> + 'static,
    B: Body<Data = Bytes>,
{
    Box::new(move || drive(&mut service, request()))
}

fn twice(mut service: Server, request: fn() -> Call) -> Operation {
    Box::new(move || {
        drive(&mut service, request());
        drive(&mut service, request());
    })
}

fn drive<S, B>(service: &mut S, request: Call)
where
    S: Service<Call, Response = Response<B>>,
    B: Body<Data = Bytes>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))), "ready at once");
    let Poll::Ready(Ok(answer)) = pin!(service.call(request)).poll(&mut cx) else { panic!("answered at once") };
    assert!(black_box(&answer).status().is_success());
    read(answer.into_body());
}

fn read<B: Body<Data = Bytes>>(body: B) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut body = pin!(body);
    black_box(body.size_hint());
    while !body.is_end_stream() {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Ready(Some(Ok(frame))) => _ = black_box(&frame),
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(_))) | Poll::Pending => panic!("a whole body at once"),
        }
    }
}

/// Without a budget, as every call of this case is tried again.
fn at_once() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE).without_budget()
}

/// The policy that everybody has to write for tower's layer: any method, 5xx, no `Retry-After`.
#[derive(Clone)]
struct OfTower {
    backoff: ExponentialBackoff,
    budget: Arc<TpsBudget>,
}

fn of_tower() -> tower::retry::RetryLayer<OfTower> {
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(5));
    let backoff =
        ExponentialBackoffMaker::new(least, most, 0.99, HasherRng::new()).map(|mut maker| maker.make_backoff());
    let backoff = backoff.expect("the least is below the most");
    tower::retry::RetryLayer::new(OfTower { backoff, budget: Arc::default() })
}

impl Policy<Call, Answer, Infallible> for OfTower {
    type Future = tokio::time::Sleep;

    fn retry(&mut self, _: &mut Call, answer: &mut Result<Answer, Infallible>) -> Option<tokio::time::Sleep> {
        if answer.as_ref().is_ok_and(|answer| !answer.status().is_server_error()) {
            self.budget.deposit();
            return None;
        }
        self.budget.withdraw().then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, request: &Call) -> Option<Call> {
        Some(request.clone())
    }
}

/// The same without a wait, and without a budget: every call of this case is tried again.
#[derive(Clone)]
struct AtOnce;

impl Policy<Call, Answer, Infallible> for AtOnce {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Call, answer: &mut Result<Answer, Infallible>) -> Option<Ready<()>> {
        answer.as_ref().is_ok_and(|answer| answer.status().is_server_error()).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Call) -> Option<Call> {
        Some(request.clone())
    }
}

fn of_resilience() -> tower_resilience_retry::RetryLayer<Call, Answer, Infallible> {
    let budget = tower_resilience_retry::RetryBudgetBuilder::new().token_bucket().build();
    tower_resilience_retry::RetryLayer::builder()
        .exponential_backoff(Duration::from_millis(100))
        .retry_on_response(|answer: &Answer| answer.status().is_server_error())
        .budget(budget.expect("the defaults are sound"))
        .build()
}

fn of_seatbelt() -> impl Layer<Server, Service: Service<Call, Response = Answer, Error = Infallible>> {
    let context = ResilienceContext::new(tick::Clock::new_frozen());
    seatbelt::retry::Retry::layer("retry", &context).clone_input().recovery_with(
        |answer: &Result<Answer, Infallible>, _| match answer {
            Ok(answer) if answer.status().is_server_error() => RecoveryInfo::retry(),
            _ => RecoveryInfo::never(),
        },
    )
}
