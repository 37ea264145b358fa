use std::time::Duration;

use buttress_rate_limit::{Act, Asks, Decision, Key, MemoryStore, Quota, RateStore, Reply};

use super::common::quota;

type Buckets = <MemoryStore as RateStore>::Limit;

fn take(store: &MemoryStore, limit: &Buckets, key: Key<'_>, quota: Quota) -> Decision {
    let mut asks = Asks::new();
    asks.push(limit, key, quota, Act::Take { cost: 1, enforced: true });
    let Reply::Now(Ok(decision)) = store.decide(&asks) else { panic!("memory answers at once") };
    decision
}

// RLM-10: strangers, however many, neither reset a bucket nor lock others out.
#[tokio::test(start_paused = true)]
async fn a_flood_of_fresh_keys_resets_nobody_and_shuts_nobody_out() {
    let (store, quota) = (MemoryStore::new(1_000).unwrap(), quota("60/min burst 20"));
    let limit = store.open("address");
    let victim = Key::text("victim");
    while take(&store, &limit, victim, quota).granted() {}
    for number in 0..10_000 {
        take(&store, &limit, Key::number(number), quota);
        assert!(!take(&store, &limit, victim, quota).granted(), "reset after {number} strangers");
    }
    // A thousand keys there is room for, ten thousand are active: newcomers still get in.
    let newcomers =
        (20_000..21_000).filter(|number| take(&store, &limit, Key::number(*number), quota).granted()).count();
    assert!(newcomers > 990, "{newcomers} of 1 000");
    // And those who push themselves out of the store gain nothing.
    let mut again = 0;
    for round in 0..40 {
        again += u32::from(take(&store, &limit, Key::text("evader"), quota).granted());
        for number in 0..1_000 {
            take(&store, &limit, Key::number(100_000 + round * 1_000 + number), quota);
        }
    }
    assert!(again <= 20, "{again} of 20");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(take(&store, &limit, victim, quota).granted());
}

#[cfg(feature = "conformance")]
#[tokio::test(start_paused = true)]
async fn the_law_of_stores_holds() {
    for keys in [1_000, 65_536] {
        let store = MemoryStore::new(keys).unwrap();
        buttress_rate_limit::conformance::check(&store, async |time| tokio::time::advance(time).await).await;
    }
}

#[cfg(feature = "quanta")]
#[tokio::test(start_paused = true)]
async fn the_counter_of_the_processor_goes_on_while_the_clock_of_tokio_is_paused() {
    let (store, quota) = (MemoryStore::with_processor_clock(10).unwrap(), quota("100/s burst 1"));
    let limit = store.open("address");
    let granted = || take(&store, &limit, Key::text("a"), quota).granted();
    assert!(granted() && !granted());
    assert!((0..u32::MAX).any(|_| granted()));
    assert!(MemoryStore::with_processor_clock(0).is_err());
}

// RLM-19, RLM-4: any sequence of asks about any keys says the same as one bucket for each of them.
#[tokio::test(start_paused = true)]
async fn as_long_as_there_is_room_every_key_has_a_bucket_of_its_own() {
    let (store, quota) = (MemoryStore::new(10_000).unwrap(), quota("1/s burst 3"));
    let limit = store.open("address");
    for number in 0..1_000 {
        let granted = (0..5).filter(|_| take(&store, &limit, Key::number(number), quota).granted()).count();
        assert_eq!(granted, 3, "key {number}");
    }
}
