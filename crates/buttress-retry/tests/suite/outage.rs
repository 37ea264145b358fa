//! A server that is down for a minute, at a thousand calls a second.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use buttress_retry::{Allowance, Budget, RetryLayer};
use tokio::{task::JoinSet, time::Instant};
use tower::{Layer, ServiceExt};

use crate::common::*;

const SECONDS: u64 = 60;
const PER_SECOND: u64 = 1_000;

// RTY-10, RTY-11, RTY-12
#[tokio::test(start_paused = true)]
async fn an_outage_gets_no_more_load_than_the_budget_allows_and_recovery_is_at_once() {
    let (down, tries) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let (is_down, counted) = (down.clone(), tries.clone());
    let inner = Instantly(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        if is_down.load(Ordering::Relaxed) { status(503) } else { status(200) }
    });
    let allowance = Allowance::percent(20).unwrap().saved(100).reserve(10);
    let service = RetryLayer::new().seed(1).budget(Budget::new(allowance)).layer(inner);
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for second in 0..SECONDS {
        for tenth in 0..10 {
            tokio::time::sleep_until(started + ms(second * 1_000 + tenth * 100)).await;
            for _ in 0..PER_SECOND / 10 {
                calls.spawn(service.clone().oneshot(get()));
            }
        }
    }
    while let Some(response) = calls.join_next().await {
        assert_eq!(response.unwrap().unwrap().status(), 503);
    }
    let (calls, tries) = (SECONDS * PER_SECOND, tries.swap(0, Ordering::Relaxed));
    let added = tries - calls;
    let reserve = 10 * 10 + 10 * (SECONDS + 10);
    assert!(added <= calls / 5 + reserve, "{added} of {calls}");
    // RTY-12: it is used, too.
    assert!(added >= calls / 5, "{added} of {calls}");

    // No state is left behind that would keep a caller from a server that is well.
    down.store(false, Ordering::Relaxed);
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
}

// RTY-10
#[tokio::test(start_paused = true)]
async fn clones_and_services_of_one_layer_share_its_budget() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new().budget(Budget::new(Allowance::percent(0).unwrap().reserve(1))));
    let server = || Server::answers((0..10).map(|_| status(503)));
    for _ in 0..10 {
        let _ = layer.clone().layer(server()).oneshot(get()).await.unwrap();
    }
    let retries = told.retries.lock().unwrap().len();
    assert!((10..=14).contains(&retries), "ten at once, and one a second: {retries}");
    assert!(told.reasons().contains(&"budget"));
}

// RTY-10
#[tokio::test(start_paused = true)]
async fn without_a_budget_only_the_tries_are_counted() {
    let told = Told::default();
    let layer = told.by(RetryLayer::new().without_budget());
    for _ in 0..200 {
        let server = Server::answers([status(503), status(503)]);
        assert_eq!(layer.layer(server).oneshot(get()).await.unwrap().status(), 200);
    }
    assert!(told.reasons().is_empty());
}
