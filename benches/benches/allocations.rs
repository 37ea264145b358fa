//! Allocations of each operation, a growth in place among them.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use buttress_benches::{
    Group, Operation,
    table::{self, Counter, Table},
};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ALLOCATIONS: Counter = Counter {
    name: "allocations",
    bounds: &[
        ("correlation id, made", 3.0),
        ("correlation id, kept", 1.0),
        ("envelope, 200 B", 1.0),
        ("envelope, 10 KB", 1.0),
        ("envelope, 1 MB", 1.0),
        ("retry, a read that works", 5.0),
        ("retry, a write of 200 B with a key that works", 5.0),
        ("retry, a write that is sent once", 0.0),
        ("three layers", 8.0),
        ("circuit breaker, closed, window of calls", 0.0),
        ("circuit breaker, closed, window of time", 0.0),
        ("rate limit, user and address", 0.0),
        ("rate limit, user and address, told", 2.0),
        ("rate limit, the decision about user and address", 0.0),
        ("idempotency, no key", 0.0),
        ("idempotency, replay", 6.0),
        ("idempotency, first run", 14.0),
        ("idempotency, first run, 100 000 keys held", 14.0),
        ("SSE, write an event with id and JSON", 2.0),
        ("SSE, read progress events", 1.0),
        ("SSE, read 208-byte token chunks", 0.1),
    ],
};

fn main() {
    let mut table = Table::new(ALLOCATIONS);
    for group in buttress_benches::groups().into_iter().filter(table::chosen()) {
        if group.subscriber {
            buttress_benches::discard_events();
        }
        for case in &group.cases {
            table.row(&group, case, allocations((case.make)(), times(&group)));
        }
    }
    table.print();
}

fn times(group: &Group) -> u32 {
    if group.heavy { 10 } else { 2_000 }
}

fn allocations(mut operation: Operation, times: u32) -> f64 {
    // What is set up once is not counted.
    (0..times).for_each(|_| operation());
    let region = Region::new(COUNTING);
    (0..times).for_each(|_| operation());
    let change = region.change();
    (change.allocations + change.reallocations) as f64 / f64::from(times)
}
