//! Instructions of each operation, counted by valgrind: the difference between a run of some and a run of twice as many.

use std::{
    env,
    mem::forget,
    process::{Command, exit},
};

use buttress_benches::{
    Case, Group, Operation,
    table::{self, Counter, Table},
};

const INSTRUCTIONS: Counter = Counter {
    name: "instructions",
    bounds: &[
        ("correlation id, made", 2_000.0),
        ("correlation id, kept", 1_400.0),
        ("envelope, 200 B", 500.0),
        ("envelope, 10 KB", 500.0),
        ("envelope, 1 MB", 500.0),
        ("circuit breaker, closed, window of calls", 150.0),
        ("circuit breaker, closed, window of time", 150.0),
        ("rate limit, user and address", 300.0),
        ("rate limit, user and address, told", 1_200.0),
        ("rate limit, the decision about user and address", 300.0),
        ("idempotency, no key", 150.0),
        ("idempotency, replay", 4_000.0),
        ("idempotency, first run", 8_000.0),
        ("idempotency, first run, 100 000 keys held", 8_000.0),
        ("retry, a read that works", 2_056.0),
        ("retry, a write of 200 B with a key that works", 2_056.0),
        ("SSE, write an event with id and JSON", 1_800.0),
        ("SSE, read progress events", 1_000.0),
        ("SSE, read 208-byte token chunks", 700.0),
        // A tenth of moving it.
        ("SSE, an event of a foreign stream over HTTP/1", 531.0),
    ],
};

/// The first argument of the process that is counted; group, case and number of operations follow.
const COUNTED: &str = "--counted";

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    if let [COUNTED, group, case, times] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return counted(group, case, times.parse().expect("a number"));
    }
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|said| said.status.success()) {
        eprintln!("valgrind is missing: apt-get install valgrind");
        exit(1);
    }
    let mut table = Table::new(INSTRUCTIONS);
    for group in buttress_benches::groups().into_iter().filter(table::chosen()) {
        for case in &group.cases {
            table.row(&group, case, instructions(&group, case));
        }
    }
    table.print();
}

fn counted(group: &str, case: &str, times: u32) {
    let group = buttress_benches::groups().into_iter().find(|known| known.name == group).expect("a known group");
    if group.subscriber {
        buttress_benches::discard_events();
    }
    let case = group.cases.into_iter().find(|known| known.name == case).expect("a known case");
    measured((case.make)(), times);
}

/// Its name is where counting begins and ends.
#[inline(never)]
fn measured(mut operation: Operation, times: u32) {
    (0..times).for_each(|_| operation());
    // Not before: what is taken apart does not count.
    forget(operation);
}

fn instructions(group: &Group, case: &Case) -> f64 {
    let times: u32 = if group.heavy { 3 } else { 2_000 };
    let [once, twice] = [times, 2 * times].map(|times| callgrind(group, case.name, times));
    (twice - once) / f64::from(times)
}

/// All instructions of doing it so many times.
fn callgrind(group: &Group, case: &str, times: u32) -> f64 {
    // What is set up before may take as long as it likes: a clock that calibrates itself, say. Threads of their own are
    // counted with all the rest.
    let from_to = (!group.heavy).then_some("--toggle-collect=*instructions*measured*");
    let group = group.name;
    let counted = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(from_to)
        .arg(env::current_exe().expect("this program has a path"))
        .args([COUNTED, group, case, &times.to_string()])
        .output()
        .expect("valgrind starts");
    let said = String::from_utf8_lossy(&counted.stderr);
    assert!(counted.status.success(), "{group}, {case}: {said}");
    // ==4711== Collected : 123456
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, number)| number.trim());
    collected.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no sum in what valgrind said: {said}"))
}
