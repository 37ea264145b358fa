//! Backpressure, and refusals in spite of it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_circuit_breaker::{BreakerLayer, Keys, State};
use http::{Request, Response};
use tokio::time::advance;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

use crate::common::{Provider, S, Script, Then, policy, status};

/// Ready when told, and counts what it is asked.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<Asked>>);

#[derive(Default)]
struct Asked {
    open: bool,
    polls: usize,
    calls: usize,
    waker: Option<Waker>,
}

impl Service<Request<()>> for Gate {
    type Response = Response<Script>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Script>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut asked = self.0.lock().unwrap();
        asked.polls += 1;
        asked.waker = Some(cx.waker().clone());
        if asked.open { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        self.0.lock().unwrap().calls += 1;
        ready(Ok(Response::new(Script { tells_its_end: true, ..Script::default() })))
    }
}

fn poll_ready<S: Service<Request<()>>>(service: &mut S) -> bool {
    service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[tokio::test]
async fn a_closed_circuit_is_ready_when_its_service_is() {
    let keyed = BreakerLayer::keyed("a", policy(), Keys::hosts()).unwrap();
    for layer in [BreakerLayer::new("a", policy()).unwrap(), keyed, BreakerLayer::off()] {
        is_ready_when_its_service_is(&layer).await;
    }
}

async fn is_ready_when_its_service_is(layer: &BreakerLayer) {
    let gate = Gate::default();
    let mut service = layer.layer(gate.clone());
    assert!(!poll_ready(&mut service));
    gate.0.lock().unwrap().open = true;
    assert!(poll_ready(&mut service));
    // Asked again, it holds what it has.
    gate.0.lock().unwrap().open = false;
    assert!(poll_ready(&mut service));
    assert_eq!(service.call(Request::new(())).await.unwrap().status(), 200);
    assert!(!poll_ready(&mut service));
    // A clone has to ask for itself.
    gate.0.lock().unwrap().open = true;
    assert!(poll_ready(&mut service));
    gate.0.lock().unwrap().open = false;
    assert!(!poll_ready(&mut service.clone()));
}

#[tokio::test]
async fn an_open_circuit_refuses_whatever_its_service_says_and_asks_nothing_of_it() {
    let gate = Gate::default();
    let layer = BreakerLayer::new("a", policy().initial(State::ForcedOpen)).unwrap();
    let mut service = layer.layer(gate.clone());
    for _ in 0..3 {
        assert!(poll_ready(&mut service));
        assert_eq!(service.call(Request::new(())).await.unwrap().status(), 503);
    }
    let asked = gate.0.lock().unwrap();
    assert_eq!((asked.polls, asked.calls), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_was_ready_to_be_refused_never_reaches_a_service_that_is_not_ready() {
    let gate = Gate::default();
    let layer = BreakerLayer::new("a", policy().trials(1).initial(State::Open)).unwrap();
    let mut service = layer.layer(gate.clone());
    assert!(poll_ready(&mut service));
    // Between its readiness and its call, the open time has passed.
    advance(10 * S).await;
    let answer = service.call(Request::new(())).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &http::HeaderValue::from(1)));
    assert_eq!(gate.0.lock().unwrap().calls, 0);
    // It has not taken the only trial.
    assert!(!poll_ready(&mut service));
    gate.0.lock().unwrap().open = true;
    assert!(poll_ready(&mut service));
    assert_eq!(service.call(Request::new(())).await.unwrap().status(), 200);
    assert_eq!(layer.circuit().unwrap().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_ready_and_idle_holds_no_trial() {
    let gate = Gate::default();
    gate.0.lock().unwrap().open = true;
    let layer = BreakerLayer::new("a", policy().trials(1).initial(State::HalfOpen)).unwrap();
    let (mut idle, mut busy) = (layer.layer(gate.clone()), layer.layer(gate.clone()));
    assert!(poll_ready(&mut idle) && poll_ready(&mut busy));
    assert_eq!(busy.call(Request::new(())).await.unwrap().status(), 200);
    assert_eq!(layer.circuit().unwrap().state(), State::Closed);
}

// Over `ConcurrencyLimit`, whose only permit is taken.
#[tokio::test(start_paused = true)]
async fn it_refuses_over_a_concurrency_limit_that_is_full_and_takes_no_permit() {
    let provider = Provider::default();
    let layer = BreakerLayer::new("a", policy()).unwrap();
    let mut service = ServiceBuilder::new().layer(layer.clone()).concurrency_limit(1).service(provider.clone());
    provider.next(Then::Never);
    let hangs = tokio::spawn(service.clone().oneshot(Request::new(())));
    tokio::task::yield_now().await;
    assert!(!poll_ready(&mut service));
    layer.circuit().unwrap().become_state(State::Open).unwrap();
    assert!(poll_ready(&mut service));
    assert_eq!(service.call(Request::new(())).await.unwrap().status(), 503);
    hangs.abort();
    let _ = hangs.await;
    advance(10 * S).await;
    // The permit is free again, and so are both trials.
    for _ in 0..2 {
        let answer = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(layer.circuit().unwrap().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn it_refuses_over_a_buffer_that_is_full() {
    let layer = BreakerLayer::new("a", policy()).unwrap();
    let provider = Provider::default();
    let mut service =
        ServiceBuilder::new().layer(layer.clone()).buffer(1).concurrency_limit(1).service(provider.clone());
    let mut hanging = Vec::new();
    while poll_ready(&mut service) {
        provider.next(Then::Never);
        hanging.push(tokio::spawn(service.call(Request::new(()))));
        tokio::task::yield_now().await;
        assert!(hanging.len() < 10, "a buffer of one is full by now");
    }
    layer.circuit().unwrap().become_state(State::ForcedOpen).unwrap();
    let answer = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
    assert_eq!(answer.status(), 503);
    hanging.iter().for_each(|hanging| hanging.abort());
}

// CBK-18: a time-out inside counts, with the retry outside of all
#[tokio::test(start_paused = true)]
async fn a_time_out_inside_counts_as_a_failure_of_ours() {
    let provider = Provider::default();
    let layer = BreakerLayer::new("a", policy()).unwrap();
    let service = ServiceBuilder::new().layer(layer.clone()).timeout(Duration::from_secs(1)).service(provider.clone());
    for _ in 0..4 {
        provider.next(Then::Never);
        assert!(service.clone().oneshot(Request::new(())).await.is_err());
    }
    assert_eq!(layer.circuit().unwrap().state(), State::Open);
    // Outside, a retry meets the refusal, which says how long to wait.
    provider.next(status(200));
    let answer = service.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!((answer.status().as_u16(), provider.calls()), (503, 4));
    assert_eq!(answer.headers()["retry-after"], "10");
}
