//! Panics within the inner service: each is a failure, whoever catches it and whatever is done with the rest (CBK-9).

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use buttress_circuit_breaker::{BreakerLayer, Classify, EventKind, Keys, Origin, Policy, State, Verdict};
use http::{Request, Response};
use tokio::time::advance;
use tower::{Layer, Service, service_fn};

use crate::common::{Broken, Provider, S, Script, Stack, Step, Then, Told, drain, policy, poll, script, status};

fn is_ready<T: Service<Request<()>>>(service: &mut T) -> bool {
    service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets something panic, and goes on.
fn panics<T>(run: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(|| drop(run()))).is_err());
}

/// Calls and failures.
fn counted(stack: &Stack) -> (u64, u64) {
    let snapshot = stack.circuit().snapshot();
    (snapshot.calls, snapshot.failures)
}

async fn panicking_body(after: &[Step]) -> (Stack, buttress_circuit_breaker::ResponseBody<Script>) {
    let stack = Stack::new(policy());
    let steps: Vec<_> = [Step::Panic].into_iter().chain(after.iter().cloned()).collect();
    stack.provider.next(Then::Answer(Response::new(script(&steps))));
    let mut body = stack.ask().await.unwrap().into_body();
    panics(|| poll(&mut body));
    (stack, body)
}

#[tokio::test]
async fn a_body_that_panics_is_a_failure_whether_it_is_dropped_or_read_on() {
    let (stack, body) = panicking_body(&[]).await;
    assert_eq!(counted(&stack), (1, 1));
    drop(body);
    assert_eq!(counted(&stack), (1, 1));

    let (stack, mut body) = panicking_body(&[]).await;
    drain(&mut body);
    assert_eq!(counted(&stack), (1, 1));

    let (stack, mut body) = panicking_body(&[Step::Pending, Step::Data("a")]).await;
    assert!(poll(&mut body).is_pending());
    assert_eq!(counted(&stack), (1, 1));
}

/// Panics once, and answers then.
struct Once(bool);

impl Future for Once {
    type Output = Result<Response<Script>, Broken>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(mem::replace(&mut self.0, true), "once");
        Poll::Ready(Ok(Response::new(Script::default())))
    }
}

#[tokio::test]
async fn a_future_that_panics_and_is_polled_on_is_a_failure() {
    let layer = BreakerLayer::new("a", policy()).unwrap();
    let mut service = layer.layer(service_fn(|_: Request<()>| Once(false)));
    assert!(is_ready(&mut service));
    let mut future = Box::pin(service.call(Request::new(())));
    panics(|| poll_once(&mut future));
    let counted = || layer.circuit().map(|circuit| circuit.snapshot()).map(|seen| (seen.calls, seen.failures));
    assert_eq!(counted(), Some((1, 1)));
    assert!(poll_once(&mut future).is_ready());
    assert_eq!(counted(), Some((1, 1)));
}

/// A service whose call panicked, as somebody has caught.
fn panicked(
    policy: Policy,
) -> (Stack, impl Service<Request<()>, Response = Response<buttress_circuit_breaker::ResponseBody<Script>>>) {
    let stack = Stack::new(policy);
    let mut service = stack.service.clone();
    stack.provider.next(Then::PanicInCall);
    assert!(is_ready(&mut service));
    panics(|| service.call(Request::new(())));
    (stack, service)
}

#[tokio::test]
async fn a_call_that_panics_is_a_failure_once_its_service_is_dropped_or_used_again() {
    let (stack, service) = panicked(policy());
    drop(service);
    assert_eq!(counted(&stack), (1, 1));

    let (stack, mut service) = panicked(policy());
    assert!(is_ready(&mut service));
    assert_eq!(counted(&stack), (1, 1));
    drop(service);
    assert_eq!(counted(&stack), (1, 1));

    let (stack, mut service) = panicked(policy());
    // Without a question whether it is ready: a broken promise.
    drop(service.call(Request::new(())));
    assert_eq!(counted(&stack), (1, 1));
}

#[tokio::test]
async fn a_call_that_panics_is_told_by_the_last_who_holds_its_circuit() {
    let told = Told::default();
    let (stack, service) = panicked(told.by(policy()));
    drop(stack);
    assert_eq!(told.take(), []);
    drop(service);
    assert_eq!(told.take(), [EventKind::Failure { origin: Origin::Local, slow: false }]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_counts_late_is_not_slow() {
    let (stack, mut service) = panicked(policy().slow_calls(S, 1.0));
    advance(60 * S).await;
    assert!(is_ready(&mut service));
    assert_eq!((counted(&stack), stack.circuit().snapshot().slow_calls), ((1, 1), 0));
}

#[tokio::test]
async fn a_trial_that_panics_in_its_call_opens_the_circuit_at_once() {
    let half_open = || policy().trials(1).initial(State::HalfOpen);
    let (stack, _service) = panicked(half_open());
    assert_eq!(stack.circuit().state(), State::Open);

    let layer = BreakerLayer::keyed("a", half_open(), Keys::new(|_| Some("k".into()))).unwrap();
    let provider = Provider::default();
    provider.next(Then::PanicInCall);
    let mut service = layer.layer(provider);
    assert!(is_ready(&mut service));
    panics(|| service.call(Request::new(())));
    assert_eq!(layer.circuits().get("k").unwrap().state(), State::Open);
}

#[derive(Clone)]
struct Broke;

impl<E> Classify<E> for Broke {
    fn answer<B>(&self, _: &Response<B>) -> Option<Verdict> {
        panic!("of the one who judges")
    }

    fn error(&self, _: &E) -> Option<Verdict> {
        panic!("of the one who judges")
    }
}

#[tokio::test]
async fn who_judges_and_panics_says_nothing_about_the_service() {
    for then in [|| status(200), || Then::Fail] {
        let provider = Provider::default();
        provider.next(then());
        let layer = BreakerLayer::new("a", policy().trials(1).initial(State::HalfOpen)).unwrap().classify(Broke);
        let mut service = layer.layer(provider);
        assert!(is_ready(&mut service));
        let mut future = Box::pin(service.call(Request::new(())));
        panics(|| poll_once(&mut future));
        drop(future);
        let snapshot = layer.circuit().unwrap().snapshot();
        assert_eq!((snapshot.state, snapshot.calls, snapshot.trials_running), (State::HalfOpen, 0, 0));
    }
}
