//! The store against a model that knows every key, in virtual time.

use std::{collections::HashMap, time::Duration};

use buttress_rate_limit::{Act, Asks, Key, MemoryStore, Quota, RateStore, Reply};
use proptest::prelude::*;
use tokio::time::advance;

/// A bucket of whole nanoseconds, as an exact fraction: units times the time of one.
#[derive(Clone, Copy)]
struct Bucket {
    level: u128,
    at: u64,
}

/// All buckets there are, filled up to `now` each time that they are looked at.
struct Model {
    buckets: HashMap<(usize, u64), Bucket>,
    now: u64,
}

impl Model {
    fn level(&mut self, which: (usize, u64), quota: Quota) -> &mut u128 {
        let full = quota.interval().as_nanos() * u128::from(quota.size());
        let bucket = self.buckets.entry(which).or_insert(Bucket { level: full, at: self.now });
        bucket.level = (bucket.level + u128::from(self.now - bucket.at)).min(full);
        bucket.at = self.now;
        &mut bucket.level
    }

    /// Takes from all, or from none.
    fn take(&mut self, asks: &[(usize, u64, u32)], quotas: &[Quota]) -> bool {
        let before = self.buckets.clone();
        let fits = asks.iter().all(|(limit, key, cost)| {
            let price = quotas[*limit].interval().as_nanos() * u128::from(*cost);
            let level = self.level((*limit, *key), quotas[*limit]);
            let fits = *level >= price;
            *level = level.saturating_sub(price);
            fits
        });
        if !fits {
            self.buckets = before;
        }
        fits
    }
}

fn quotas() -> impl Strategy<Value = Vec<Quota>> {
    let one = (1_u32..50, 1_u64..1_000, 1_u32..10).prop_map(|(count, ms, burst)| {
        // Of whole nanoseconds, so that the model is exact.
        Quota::new(1, Duration::from_micros(ms * 1_000 / u64::from(count) + 1)).unwrap().burst(burst).unwrap()
    });
    proptest::collection::vec(one, 3)
}

type Step = (u64, Vec<(usize, u64, u32)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (0_usize..3, 0_u64..4, 0_u32..4);
    proptest::collection::vec((0_u64..400, proptest::collection::vec(ask, 0..5)), 1..60)
}

proptest! {
    // RLM-1, RLM-3, RLM-4
    #[test]
    fn the_store_agrees_with_exact_buckets(quotas in quotas(), steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let store = MemoryStore::new(1_000).unwrap();
            let limits = ["a", "b", "c"].map(|name| store.open(name));
            let mut model = Model { buckets: HashMap::new(), now: 0 };
            for (pause, list) in steps {
                advance(Duration::from_millis(pause)).await;
                model.now += pause * 1_000_000;
                let mut asks = Asks::new();
                for (limit, key, cost) in &list {
                    asks.push(&limits[*limit], Key::number(*key), quotas[*limit], Act::Take { cost: *cost, enforced: true });
                }
                let Reply::Now(Ok(decision)) = store.decide(&asks) else { panic!("memory answers at once") };
                prop_assert_eq!(decision.granted(), model.take(&list, &quotas));
            }
            Ok(())
        })?;
    }
}
