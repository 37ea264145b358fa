//! Retry and circuit breaker together, while a provider is down for a minute at a thousand calls a second.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use buttress_circuit_breaker::{BreakerLayer, OpenTime, Policy, Window};
use buttress_retry::RetryLayer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tokio::{task::JoinSet, time::Instant};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::support::ms;

const OUTAGE: Duration = Duration::from_secs(60);
const COOL_DOWN: Duration = Duration::from_secs(10);
const A_TENTH: u64 = 100;

// RTY-11, CBK-2, CBK-5, CBK-18
#[tokio::test(start_paused = true)]
async fn an_outage_costs_little_and_is_over_after_one_cool_down() {
    let (down, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (is_down, counted) = (down.clone(), tries.clone());
    let provider = service_fn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        let status = if is_down.load(Ordering::Relaxed) { 503 } else { 200 };
        let answer = Response::builder().status(status).body(Full::new(Bytes::from("x")));
        std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
    });
    let policy = Policy::new(Window::time(Duration::from_secs(30))).minimum_calls(20).trials(3);
    let breaker = BreakerLayer::new("provider", policy.open_for(OpenTime::fixed(COOL_DOWN))).unwrap();
    let retry = RetryLayer::new().seed(1).deadline(Duration::from_secs(5)).unwrap();
    let stack = ServiceBuilder::new().layer(retry).layer(breaker).service(provider);

    let started = Instant::now();
    let mut calls = JoinSet::new();
    let (mut made, mut first_success) = (0_u64, None);
    for tenth in 0..(OUTAGE + COOL_DOWN + ms(3_000)).as_millis() as u64 / 100 {
        tokio::time::sleep_until(started + ms(100 * tenth)).await;
        if started.elapsed() >= OUTAGE && down.swap(false, Ordering::Relaxed) {
            // RTY-11: of sixty thousand calls, those that opened the circuit came through, and three for each cool-down.
            let tries = tries.load(Ordering::Relaxed);
            assert_eq!(made, 60_000);
            assert!(tries <= 20 + 2 * A_TENTH + 3 * 6, "{tries}");
        }
        for _ in 0..A_TENTH {
            made += 1;
            let stack = stack.clone();
            calls.spawn(async move { stack.oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap().status() });
        }
        while let Some(status) = calls.try_join_next() {
            if status.unwrap() == 200 {
                first_success.get_or_insert(started.elapsed());
            }
        }
    }
    let first_success = first_success.expect("it is over");
    assert!(first_success <= OUTAGE + COOL_DOWN + ms(200), "{first_success:?}");
    assert_eq!(stack.oneshot(Request::new(Empty::<Bytes>::new())).await.unwrap().status(), 200);
}
