use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use buttress_core::{Body, Deadline, Problem};
use buttress_rate_limit::{Throttle, ThrottleLayer};
use http::{Request, Response};
use tokio::{
    task::JoinHandle,
    time::{Instant, advance, sleep},
};
use tower::{Layer, Service, ServiceExt};

use super::common::{Handler, handler, header, quota};

/// When calls left, in milliseconds since the start, and which.
#[derive(Clone, Debug)]
struct Log {
    start: Instant,
    left: Arc<Mutex<Vec<(u128, String)>>>,
}

impl Log {
    fn new() -> Self {
        Self { start: Instant::now(), left: Arc::default() }
    }

    fn times(&self) -> Vec<u128> {
        self.left.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    fn paths(&self) -> Vec<String> {
        self.left.lock().unwrap().iter().map(|(_, path)| path.clone()).collect()
    }
}

impl Service<Request<()>> for Log {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let now = self.start.elapsed().as_millis();
        self.left.lock().unwrap().push((now, request.uri().path().to_owned()));
        let path = request.uri().path().to_owned();
        Box::pin(async move {
            if path == "/slow/busy" {
                sleep(Duration::from_millis(500)).await;
            }
            let answer = match path.as_str() {
                "/busy" => Response::builder().status(429).header("retry-after", "5"),
                "/slow/busy" => Response::builder().status(429).header("retry-after", "8"),
                _ => Response::builder(),
            };
            Ok(answer.body(String::new()).unwrap())
        })
    }
}

fn call(path: &str) -> Request<()> {
    Request::builder().uri(path).body(()).unwrap()
}

fn within(mut request: Request<()>, time: Duration) -> Request<()> {
    request.extensions_mut().insert(Deadline::at((Instant::now() + time).into_std()));
    request
}

type Answered = Response<Body<String>>;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// Makes a call in a task of its own, and lets it get as far as it can.
async fn send(service: &Throttle<Log>, request: Request<()>) -> JoinHandle<Answered> {
    let task = tokio::spawn(service.clone().oneshot(request));
    tokio::task::yield_now().await;
    tokio::spawn(async { task.await.unwrap().unwrap() })
}

#[tokio::test(start_paused = true)]
async fn calls_leave_in_the_order_in_which_they_came_and_no_faster_than_the_quota() {
    let log = Log::new();
    let service = ThrottleLayer::new(quota("10/s burst 3")).layer(log.clone());
    let mut calls = Vec::new();
    for i in 0..8 {
        calls.push(send(&service, call(&format!("/{i}"))).await);
    }
    for call in calls {
        assert_eq!(call.await.unwrap().status(), 200);
    }
    assert_eq!(log.paths(), (0..8).map(|i| format!("/{i}")).collect::<Vec<_>>());
    let times = log.times();
    for (time, expected) in times.iter().zip([0, 0, 0, 100, 200, 300, 400, 500]) {
        // Tokio's timers are good to a millisecond.
        assert!((expected..expected + 8).contains(time), "{times:?}");
    }
}

// D8: tower-resilience-ratelimiter 0.14.0 does not know the wait.
#[tokio::test(start_paused = true)]
async fn what_would_take_longer_than_the_deadline_is_refused_at_once_with_the_time_it_would_take() {
    let log = Log::new();
    let service = ThrottleLayer::new(quota("1/s burst 1")).layer(log.clone());
    let first = send(&service, call("/0")).await;
    let second = send(&service, within(call("/1"), Duration::from_secs(2))).await;
    let start = Instant::now();
    let answer = service.clone().oneshot(within(call("/2"), Duration::from_millis(1_500))).await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after"), start.elapsed()), (429, "2", Duration::ZERO));
    let problem = answer.extensions().get::<Problem>().unwrap();
    assert_eq!(
        (problem.layer(), problem.code().as_str(), problem.delay()),
        (Some("throttle"), "rate_limited", Some(Duration::from_secs(2)))
    );
    // One whose deadline is far takes the place; it is told the time that counts for it.
    let third = send(&service, within(call("/3"), Duration::from_secs(3))).await;
    for call in [first, second, third] {
        assert_eq!(call.await.unwrap().status(), 200);
    }
    assert_eq!(log.paths(), ["/0", "/1", "/3"]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_waits_for_nothing_but_may_go_at_once() {
    let service = ThrottleLayer::new(quota("1/s burst 1")).layer(Log::new());
    let late = || within(call("/"), Duration::ZERO);
    assert_eq!(service.clone().oneshot(late()).await.unwrap().status(), 200);
    assert_eq!(service.clone().oneshot(late()).await.unwrap().status(), 429);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_longest_wait_and_the_longest_line_are_bounds() {
    let layer = ThrottleLayer::new(quota("1/s burst 1")).most_wait(Duration::from_secs(2)).most_waiting(1);
    let service = layer.layer(Log::new());
    let _running = [send(&service, call("/0")).await, send(&service, call("/1")).await];
    assert_eq!(service.clone().oneshot(call("/2")).await.unwrap().status(), 429, "one waits already");
    let never = ThrottleLayer::new(quota("1/s burst 1")).most_wait(Duration::ZERO).layer(Log::new());
    assert_eq!(never.clone().oneshot(call("/0")).await.unwrap().status(), 200);
    assert_eq!(never.clone().oneshot(call("/1")).await.unwrap().status(), 429);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_gives_its_turn_to_those_behind() {
    for dropped in [1, 2] {
        let log = Log::new();
        let service = ThrottleLayer::new(quota("1/s burst 1")).layer(log.clone());
        let mut calls: Vec<_> = (0..4).map(|i| Box::pin(service.clone().oneshot(call(&format!("/{i}"))))).collect();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for call in &mut calls {
            let _ = call.as_mut().poll(&mut cx);
        }
        drop(calls.remove(dropped));
        let tasks: Vec<_> = calls.into_iter().skip(1).map(tokio::spawn).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let times = log.times();
        assert!(times.len() == 3 && times[2] < 2_010, "{times:?}");
    }
}

/// Dropped at every poll, whoever is behind is woken.
#[tokio::test(start_paused = true)]
async fn nobody_is_forgotten_when_the_first_in_line_leaves() {
    let log = Log::new();
    let service = ThrottleLayer::new(quota("1/s burst 1")).layer(log.clone());
    let _ = send(&service, call("/0")).await.await;
    let first = tokio::spawn(service.clone().oneshot(call("/1")));
    tokio::task::yield_now().await;
    let second = send(&service, call("/2")).await;
    advance(Duration::from_millis(500)).await;
    first.abort();
    assert_eq!(second.await.unwrap().status(), 200);
    assert!(log.times()[1] < 1_010, "{:?}", log.times());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_before_it_was_polled_or_after_it_was_woken_leaves_no_gap() {
    let log = Log::new();
    let mut service = ThrottleLayer::new(quota("1/s burst 1")).layer(log.clone());
    let _ = send(&service, call("/0")).await.await;
    let unpolled = service.ready().await.unwrap().call(call("/1"));
    let woken = tokio::spawn(service.clone().oneshot(call("/2")));
    let last = send(&service, call("/3")).await;
    drop(unpolled);
    woken.abort();
    assert_eq!(last.await.unwrap().status(), 200);
    assert_eq!(log.paths(), ["/0", "/3"]);
    assert!(log.times()[1] < 1_002, "{:?}", log.times());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_at_the_very_turn_is_soon_enough() {
    for (time, status) in [(Duration::from_secs(1), 200), (Duration::from_nanos(999_999_999), 429)] {
        let service = ThrottleLayer::new(quota("1/s burst 1")).layer(Log::new());
        service.clone().oneshot(call("/0")).await.unwrap();
        assert_eq!(service.clone().oneshot(within(call("/1"), time)).await.unwrap().status(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_cost_what_they_cost_and_what_never_fits_is_told_so() {
    let log = Log::new();
    let layer = ThrottleLayer::new(quota("1/s burst 4")).cost(|head| head.path()[1..].parse().unwrap());
    let service = layer.layer(log.clone());
    for cost in ["/4", "/2", "/1"] {
        assert_eq!(service.clone().oneshot(call(cost)).await.unwrap().status(), 200);
    }
    let times = log.times();
    assert!((2_000..2_010).contains(&times[1]) && (3_000..3_010).contains(&times[2]), "{times:?}");
    let answer = service.clone().oneshot(call("/5")).await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (413, ""));
}

// RLM-16
#[tokio::test(start_paused = true)]
async fn a_cost_that_panics_is_one() {
    let layer = ThrottleLayer::new(quota("1/s burst 1")).cost(|_| panic!("on purpose")).most_wait(Duration::ZERO);
    let service = layer.layer(Log::new());
    assert_eq!(service.clone().oneshot(call("/0")).await.unwrap().status(), 200);
    assert_eq!(service.clone().oneshot(call("/1")).await.unwrap().status(), 429);
}

#[tokio::test(start_paused = true)]
async fn a_costly_call_is_not_overtaken_by_cheap_ones() {
    let log = Log::new();
    let layer = ThrottleLayer::new(quota("1/s burst 4")).cost(|head| head.path()[1..].parse().unwrap());
    let service = layer.layer(log.clone());
    let mut calls = Vec::new();
    for cost in ["/4", "/4", "/1"] {
        calls.push(send(&service, call(cost)).await);
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(log.paths(), ["/4", "/4", "/1"]);
}

// RLM-7, RLM-18
#[tokio::test(start_paused = true)]
async fn all_wait_when_the_other_side_says_so() {
    let log = Log::new();
    let service = ThrottleLayer::new(quota("100/s")).heed(Duration::from_secs(60)).layer(log.clone());
    assert_eq!(service.clone().oneshot(call("/busy")).await.unwrap().status(), 429);
    service.clone().oneshot(call("/1")).await.unwrap();
    assert!((5_000..5_010).contains(&log.times()[1]), "{:?}", log.times());
    let short = ThrottleLayer::new(quota("100/s")).heed(Duration::from_secs(1)).layer(log.clone());
    short.clone().oneshot(call("/busy")).await.unwrap();
    let refused = short.clone().oneshot(within(call("/2"), Duration::from_millis(900))).await.unwrap();
    assert_eq!(refused.extensions().get::<Problem>().unwrap().delay(), Some(Duration::from_secs(1)));
    let deaf = ThrottleLayer::new(quota("100/s")).layer(Log::new());
    deaf.clone().oneshot(call("/busy")).await.unwrap();
    let start = Instant::now();
    deaf.clone().oneshot(call("/3")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_refused_at_its_deadline_when_the_other_side_stops_the_line_meanwhile() {
    let log = Log::new();
    let layer =
        ThrottleLayer::new(quota("1/s burst 2")).heed(Duration::from_secs(60)).most_wait(Duration::from_secs(9));
    let service = layer.layer(log.clone());
    let held = service.clone();
    let mut busy = std::pin::pin!(held.oneshot(call("/slow/busy")));
    assert!(poll(busy.as_mut()).is_pending());
    let _gone = send(&service, call("/0")).await;
    let first = send(&service, within(call("/1"), Duration::from_secs(2))).await;
    let second = send(&service, within(call("/2"), Duration::from_secs(3))).await;
    let third = send(&service, call("/3")).await;
    // It says to wait for eight seconds.
    assert_eq!(busy.await.unwrap().status(), 429);
    for (call, ended, wait) in [(first, 2_000, 6_500), (second, 3_000, 5_500)] {
        let answer = call.await.unwrap();
        assert_eq!(answer.status(), 429);
        let (problem, now) = (answer.extensions().get::<Problem>().unwrap(), log.start.elapsed().as_millis());
        assert!((ended..ended + 2).contains(&now), "{now}");
        let told = problem.delay().unwrap().as_millis();
        assert!((wait - 5..=wait).contains(&told), "{told} at {now}");
    }
    // Its own patience lasts, and those who left made way.
    assert_eq!(third.await.unwrap().status(), 200);
    assert!((8_500..8_510).contains(log.times().last().unwrap()), "{:?}", log.times());
    assert_eq!(log.paths(), ["/slow/busy", "/0", "/3"]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_makes_up_for_calls_that_leave_late() {
    for (text, range) in [("5000/s burst 10", 38..=42), ("5000/s burst 1", 195..=205)] {
        let log = Log::new();
        let service = ThrottleLayer::new(quota(text)).layer(log.clone());
        let calls = futures_util::future::join_all((0..200).map(|_| service.clone().oneshot(call("/"))));
        assert!(calls.await.iter().all(Result::is_ok));
        let last = log.times()[199];
        assert!(range.contains(&last), "{text}: {last} ms");
    }
}

// RLM-4
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_or_leaves_at_once_no_more_leave_than_the_quota_allows() {
    let Handler { runs, answer } = handler();
    let service = ThrottleLayer::new(quota("2000/s burst 5")).layer(Handler { runs: runs.clone(), answer });
    let start = Instant::now();
    let tasks: Vec<_> = (0..200_u64)
        .map(|i| {
            let call = service.clone().oneshot(Request::new(()));
            // Some give up on the way.
            let patience = Duration::from_millis(if i % 3 == 0 { i / 4 } else { 20_000 });
            tokio::spawn(async move { tokio::time::timeout(patience, call).await.is_ok() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += u32::from(task.await.unwrap());
    }
    assert!(done >= 133, "everybody with patience got through: {done}");
    let most = 5 + start.elapsed().as_micros() as u32 * 2_000 / 1_000_000 + 1;
    assert!(runs.count() >= done && runs.count() <= most, "{} of {most}", runs.count());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_fills_up_while_nobody_calls() {
    let log = Log::new();
    let service = ThrottleLayer::new(quota("1/s burst 2")).layer(log.clone());
    for pause in [0, 0, 10_000, 0] {
        sleep(Duration::from_millis(pause)).await;
        service.clone().oneshot(call("/")).await.unwrap();
    }
    assert_eq!(log.times(), [0, 0, 10_000, 10_000]);
}
