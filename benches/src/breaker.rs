use std::{
    hint::black_box,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use buttress_circuit_breaker::{BreakerLayer, Policy, Window};
use bytes::Bytes;
use failsafe::futures::CircuitBreaker as _;
use http::Response;
use http_body::Body;
use recloser::{AsyncRecloser, Recloser};
use seatbelt::{RecoveryInfo, ResilienceContext, breaker::Breaker as Seatbelt};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_resilience_circuitbreaker::{CircuitBreakerLayer, SlidingWindowType};

use crate::{
    BARE, Case, Group, Operation,
    http::{Answer, Asked, bare, drive, json, operation, request},
    wrapped::Wrapped,
};

const WINDOW: Duration = Duration::from_secs(30);

pub(super) fn groups() -> Vec<Group> {
    vec![
        Group::new(
            "circuit breaker, closed, window of calls",
            [
                Case::new(BARE, || operation(bare(json(200)), request)),
                // No bound holds for it: it is what a bound can be measured by.
                Case::new("a layer that does nothing", || operation(Wrapped(bare(json(200))), request)),
                Case::new("buttress", || ours(calls(100))),
                Case::new("buttress, 100 000 calls", || ours(calls(100_000))),
                Case::new("tower-resilience", || resilience(SlidingWindowType::CountBased)()),
                Case::new("recloser", || recloser()()),
                Case::new("failsafe", || failsafe()()),
            ],
        ),
        Group::new(
            "circuit breaker, closed, window of time",
            [
                // A bucket of time is not to be had without it.
                Case::new("bare service, a clock read", || clocked()),
                Case::new("buttress", || ours(Policy::new(Window::time(WINDOW)))),
                Case::new("buttress, a day", || ours(Policy::new(Window::time(Duration::from_secs(86_400))))),
                Case::new("buttress, slow calls count", || {
                    ours(Policy::new(Window::time(WINDOW)).slow_calls(Duration::from_secs(5), 0.5))
                }),
                // Its window grows with the calls in it: it is given little time.
                Case::new("tower-resilience, 20 ms", || resilience(SlidingWindowType::TimeBased)()),
                Case::new("seatbelt", seatbelt),
            ],
        ),
        Group::new(
            "circuit breaker, two threads, 10 000 calls each",
            [
                Case::new(BARE, || two_threads(|| driven(bare(json(200))))),
                Case::new("buttress, window of calls", || shared(calls(100))),
                Case::new("tower-resilience", || two_threads(resilience(SlidingWindowType::CountBased))),
                Case::new("recloser", || two_threads(recloser())),
                Case::new("failsafe", || two_threads(failsafe())),
                Case::new("bare service, a clock read", || two_threads(clocked)),
                Case::new("buttress, window of time", || shared(Policy::new(Window::time(WINDOW)))),
            ],
        )
        .heavy(),
    ]
}

/// No clock is read, as no call has to wait.
fn calls(calls: u32) -> Policy {
    Policy::new(Window::calls(calls))
}

/// A call, and the time in nanoseconds.
fn clocked() -> Box<dyn FnMut() + Send> {
    let (mut call, start) = (driven(bare(json(200))), Instant::now());
    Box::new(move || {
        call();
        let elapsed = start.elapsed();
        black_box(elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()));
    })
}

fn layer(policy: Policy) -> BreakerLayer {
    BreakerLayer::new("bench", policy).expect("a sane policy")
}

fn shared(policy: Policy) -> Operation {
    let layer = layer(policy);
    two_threads(move || driven(layer.layer(bare(json(200)))))
}

fn ours(policy: Policy) -> Operation {
    operation(ServiceBuilder::new().layer(layer(policy)).service(bare(json(200))), request)
}

fn resilience(kind: SlidingWindowType) -> impl Fn() -> Box<dyn FnMut() + Send> + Send + Sync + 'static {
    let layer = CircuitBreakerLayer::builder()
        .sliding_window_type(kind)
        .sliding_window_size(100)
        .sliding_window_duration(Duration::from_millis(20))
        .classify_response(|answer: &Answer| answer.status().is_server_error())
        .build()
        .expect("a sane policy");
    move || driven(layer.layer(bare(json(200))))
}

fn recloser() -> impl Fn() -> Box<dyn FnMut() + Send> + Send + Sync + 'static {
    let breaker = AsyncRecloser::from(Recloser::custom().error_rate(0.5).closed_len(100).build());
    move || {
        let (breaker, mut inner) = (breaker.clone(), bare(json(200)));
        driven(service_fn(move |request| breaker.call(inner.call(request))))
    }
}

fn failsafe() -> impl Fn() -> Box<dyn FnMut() + Send> + Send + Sync + 'static {
    let breaker = failsafe::Config::new().build();
    move || {
        let (breaker, mut inner) = (breaker.clone(), bare(json(200)));
        driven(service_fn(move |request| breaker.call(inner.call(request))))
    }
}

fn seatbelt() -> Operation {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let guard = runtime.enter();
    let context = ResilienceContext::new(tick::Clock::new_tokio());
    let layer = Seatbelt::layer("bench", &context)
        .recovery_with(|answer: &Result<Answer, _>, _| match answer {
            Ok(answer) if !answer.status().is_server_error() => RecoveryInfo::never(),
            _ => RecoveryInfo::retry(),
        })
        .rejected_input(|_, _| Ok(Answer::new(Bytes::new().into())));
    drop(guard);
    let mut operation = operation(layer.layer(bare(json(200))), request);
    Box::new(move || {
        let _running = &runtime;
        operation();
    })
}

const CALLS: usize = 10_000;

/// Lets two threads make their calls at the same time, each through a service of its own over the same circuit.
fn two_threads(make: impl Fn() -> Box<dyn FnMut() + Send>) -> Operation {
    let (start, end) = (Arc::new(Barrier::new(3)), Arc::new(Barrier::new(3)));
    for _ in 0..2 {
        let (start, end, mut call) = (start.clone(), end.clone(), make());
        // They wait until the process ends.
        thread::spawn(move || {
            loop {
                start.wait();
                (0..CALLS).for_each(|_| call());
                end.wait();
            }
        });
    }
    Box::new(move || {
        start.wait();
        end.wait();
    })
}

fn driven<S, B>(mut service: S) -> Box<dyn FnMut() + Send>
where
    S: Service<Asked, Response = Response<B>> + Send + 'static,
    B: Body<Data = Bytes>,
{
    Box::new(move || drive(&mut service, request()))
}
