use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use buttress_rate_limit::{Act, Asks, ClientAddr, Key, Limit, MemoryStore, Quota, RateLimitLayer, RateStore, Reply};
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::common::{by_user, handler, of, quota};

fn grants(store: &MemoryStore, list: &[(&<MemoryStore as RateStore>::Limit, Key<'_>, Quota)]) -> bool {
    let mut asks = Asks::new();
    for (limit, key, quota) in list {
        asks.push(*limit, *key, *quota, Act::Take { cost: 1, enforced: true });
    }
    let Reply::Now(Ok(decision)) = store.decide(&asks) else { panic!("memory answers at once") };
    decision.granted()
}

// RLM-4: accepted is never above burst + rate * time, and what there is is given.
#[test]
fn two_threads_on_one_key_never_get_more_than_burst_and_rate_times_time() {
    let (store, quota) = (MemoryStore::default(), quota("100000/s burst 50"));
    let limit = store.open("hot");
    let (passed, start) = (AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while start.elapsed() < Duration::from_millis(300) {
                    if grants(&store, &[(&limit, Key::text("a"), quota)]) {
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let most = 50 + 100_000 * start.elapsed().as_micros() as u64 / 1_000_000 + 1;
    let passed = passed.into_inner();
    assert!(passed <= most, "{passed} of {most}");
    assert!(passed >= 1_000, "only {passed}");
}

// RLM-3, RLM-4: in opposite orders and over keys that meet, without a deadlock and without a loss.
#[test]
fn decisions_over_several_limits_are_atomic_under_two_threads() {
    let (store, slow) = (MemoryStore::new(4).unwrap(), quota("1/day burst 300"));
    let limits = ["a", "b", "c"].map(|name| store.open(name));
    let key = |number: u64| Key::number(number % 3);
    let counts: [AtomicU64; 3] = Default::default();
    thread::scope(|scope| {
        for thread in 0..2_u64 {
            let (limits, counts, store) = (&limits, &counts, &store);
            scope.spawn(move || {
                for i in 0..20_000 {
                    let mut list = [
                        (&limits[0], Key::text("x"), slow),
                        (&limits[1], key(i), slow),
                        (&limits[2], key(i + 1), slow),
                    ];
                    if thread == 1 {
                        list.reverse();
                    }
                    if grants(store, &list) {
                        counts[(i % 3) as usize].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let all: u64 = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    assert_eq!(all, 300, "the shared bucket is used up, and not overdrawn");
    let left = grants(&store, &[(&limits[0], Key::text("x"), slow)]);
    assert!(!left);
}

// RLM-4: the whole layer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_layer_lets_no_more_pass_whoever_calls_it_at_once() {
    let layer = RateLimitLayer::new([
        Limit::new("user", quota("1/day burst 100"), by_user()),
        Limit::new("address", quota("1/day burst 150"), ClientAddr::peer()),
    ])
    .unwrap();
    let service = layer.layer(handler());
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (service, user) = (service.clone(), if task % 2 == 0 { "alice" } else { "bob" });
            tokio::spawn(async move {
                let mut passed = 0;
                for _ in 0..100 {
                    passed += u32::from(service.clone().oneshot(of(user, "192.0.2.1")).await.unwrap().status() == 200);
                    tokio::task::yield_now().await;
                }
                passed
            })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += task.await.unwrap();
    }
    assert_eq!(passed, 150);
}
