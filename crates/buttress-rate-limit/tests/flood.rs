//! The memory of a flood of keys. In a process of its own: what other tests take beside it would count as well.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use buttress_rate_limit::{Act, Asks, Key, MemoryStore, Quota, RateStore};

/// Bytes of this process in memory.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

// RLM-10
#[tokio::test(start_paused = true)]
async fn ten_times_as_many_keys_as_there_is_room_for_take_no_more_memory() {
    let (store, quota): (_, Quota) = (MemoryStore::new(100_000).unwrap(), "10/min".parse().unwrap());
    let limit = store.open("address");
    let before = resident();
    for number in 0..1_000_000 {
        let mut asks = Asks::new();
        asks.push(&limit, Key::number(number), quota, Act::Take { cost: 1, enforced: true });
        let _ = store.decide(&asks);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more than before");
}
