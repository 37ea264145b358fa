//! How long it waits.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use buttress_core::{Body, Problem, ProblemCode};
use buttress_retry::{Backoff, RetryLayer};
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use crate::common::*;

async fn waits(layer: RetryLayer, script: impl IntoIterator<Item = Response<Full<bytes::Bytes>>>) -> Vec<u64> {
    let server = Server::answers(script);
    let _ = layer.layer(server.clone()).oneshot(get()).await.unwrap();
    server.waits()
}

// D9: with tower's backoff five requests wait 135 ms and then 398 ms, all of them.
#[tokio::test(start_paused = true)]
async fn no_two_calls_wait_alike() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new());
    for _ in 0..5 {
        let server = Server::answers([status(503), status(503)]);
        let _ = layer.layer(server).oneshot(get()).await.unwrap();
    }
    let mut delays = told.delays();
    delays.sort();
    delays.dedup();
    assert_eq!(delays.len(), 10);
}

// RTY-24
#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_waits() {
    let delays = async |seed| {
        let told = Told::default();
        let layer = told.by(RetryLayer::new().seed(seed));
        let server = Server::answers([status(503), status(503)]);
        let _ = layer.layer(server).oneshot(get()).await.unwrap();
        told.delays()
    };
    assert_eq!(delays(1).await, delays(1).await);
    assert_ne!(delays(1).await, delays(2).await);
}

// RTY-6, D7: the presets of tower-resilience have no jitter and no cap.
#[tokio::test(start_paused = true)]
async fn the_default_has_full_jitter_below_a_cap() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new().attempts(NonZeroU32::new(60).unwrap()).seed(3));
    let server = Server::answers((0..60).map(|_| status(503)));
    let _ = layer.layer(server).oneshot(get()).await.unwrap();
    let delays = told.delays();
    for (k, delay) in delays.iter().enumerate() {
        assert!(*delay <= ms(100 << k.min(10)).min(ms(5_000)), "{k} {delay:?}");
    }
    assert!(delays.iter().any(|delay| *delay < ms(500)) && delays.iter().any(|delay| *delay > ms(4_000)));
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_kept_and_not_only_told() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new().backoff(Backoff::equal(ms(1_000), ms(9_000)).unwrap()));
    let server = Server::answers([status(503), status(503)]);
    let _ = layer.layer(server.clone()).oneshot(get()).await.unwrap();
    for (wait, delay) in server.waits().into_iter().zip(told.delays()) {
        // The timer's grain is a millisecond.
        assert!(delay <= ms(wait) + ms(1) && ms(wait) <= delay + ms(2), "{wait} {delay:?}");
    }
}

/// A runtime without a timer: whoever makes one panics.
#[test]
fn a_retry_without_backoff_needs_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let server = Server::answers([status(503), status(503)]);
        let layer = RetryLayer::new().backoff(Backoff::NONE);
        assert_eq!(layer.layer(server.clone()).oneshot(put("x")).await.unwrap().status(), 200);
        assert_eq!(server.tries(), 3);
    });
}

// RTY-7, RTY-9
#[tokio::test(start_paused = true)]
async fn the_servers_wait_is_kept_with_up_to_half_on_top() {
    for headers in [("retry-after", "2"), ("retry-after-ms", "2000"), ("grpc-retry-pushback-ms", "2000")] {
        let waits = waits(RetryLayer::new(), [answer(503, &[headers], "")]).await;
        assert!((2_000..=3_001).contains(&waits[0]), "{headers:?} {waits:?}");
    }
}

// RTY-7
#[tokio::test(start_paused = true)]
async fn dates_of_all_three_forms_are_kept() {
    let then = httpdate(SystemTime::now() + Duration::from_secs(20));
    assert!(then.ends_with("GMT"));
    let waits = waits(RetryLayer::new(), [answer(503, &[("retry-after", &then)], "")]).await;
    assert!((15_000..=30_000).contains(&waits[0]), "{waits:?}");
    for past in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        let waits = self::waits(RetryLayer::new(), [answer(503, &[("retry-after", past)], "")]).await;
        assert!(waits[0] <= 101, "{past} {waits:?}");
    }
}

/// `RetryAfter` writes no dates: this one comes from the calendar.
fn httpdate(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let secs = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (days, rest) = (secs / 86_400, secs % 86_400);
    let (mut year, mut left) = (1970, days);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let day = DAYS[(days % 7) as usize];
    format!("{day}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", left + 1, MONTHS[month])
}

// RTY-7
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_falls_back_to_the_backoff() {
    for bad in ["-5", "soon", "1.5", "99999999999999999999999"] {
        let waits = waits(RetryLayer::new(), [answer(503, &[("retry-after", bad)], "")]).await;
        match bad.len() {
            // The longest wait there is, which is not waited for.
            20.. => assert!(waits.is_empty(), "{bad} {waits:?}"),
            _ => assert!(waits[0] <= 101, "{bad} {waits:?}"),
        }
    }
}

// RTY-8
#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_longest_is_not_begun() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new().longest_wait(ms(5_000)));
    let started = Instant::now();
    let server = Server::answers([answer(503, &[("retry-after", "6")], "busy")]);
    let response = layer.layer(server).oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"6".parse().unwrap()));
    assert_eq!((started.elapsed(), told.reasons()), (Duration::ZERO, vec!["long_wait"]));
}

// RTY-13
#[tokio::test(start_paused = true)]
async fn a_busy_server_is_left_alone_for_longer() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new().throttled_backoff(Backoff::equal(ms(4_000), ms(9_000)).unwrap()));
    let server = Server::answers([status(429), status(503)]);
    let _ = layer.layer(server).oneshot(get()).await.unwrap();
    let delays = told.delays();
    assert!(delays[0] >= ms(2_000) && delays[1] <= ms(200), "{delays:?}");
}

// RTY-18, CBK-8
#[tokio::test(start_paused = true)]
async fn an_open_breaker_is_not_asked_again_before_its_delay() {
    let refused = |delay| {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, ProblemCode::new("circuit_open"), "open");
        problem.retry_after(delay).refused_by("circuit_breaker").into_response::<Full<bytes::Bytes>>(None)
    };
    let waits = async |delay| {
        let script = Arc::new(Mutex::new(vec![refused(delay)]));
        let told = Told::default();
        let started = Instant::now();
        let next = move |_| script.lock().unwrap().pop().unwrap_or_else(|| status(200).map(Body::inner));
        let layer = told.by(RetryLayer::new().deadline(ms(30_000)).unwrap());
        let response = layer.layer(Instantly(next)).oneshot(get()).await.unwrap();
        (response.status().as_u16(), started.elapsed(), told.reasons())
    };
    let (code, elapsed, _) = waits(ms(9_500)).await;
    assert_eq!(code, 200);
    assert!((ms(9_500)..=ms(14_300)).contains(&elapsed), "{elapsed:?}");
    let (code, elapsed, reasons) = waits(ms(30_001)).await;
    assert_eq!((code, elapsed, reasons), (503, Duration::ZERO, vec!["deadline"]));
}
