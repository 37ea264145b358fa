//! A producer at full speed on one thread, readers that are cut anywhere and come back on others.

use std::{sync::Arc, thread};

use buttress_sse::{Event, Heartbeat, MemoryLog, Resume, Retention};
use tokio::task::{JoinSet, spawn_blocking};

use crate::{
    resume_cuts::{Client, check},
    stage::{Stage, request, say},
};

const EVENTS: u64 = 600;
const READERS: u64 = 4;

/// Lengths of connections, another row of them for each seed.
fn cuts(seed: u64) -> impl Iterator<Item = usize> {
    let next = |last: &u64| Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(next(&seed), next).map(|random| (random >> 33) as usize % 500)
}

/// Now and then the other threads go first.
fn pause(number: u64) {
    if number.is_multiple_of(7) {
        thread::yield_now();
    }
}

async fn all_read_to_the_end(mut readers: JoinSet<Client>, kept: usize) {
    while let Some(client) = readers.join_next().await {
        let seen = client.unwrap().seen;
        assert_eq!(check(&seen, kept < EVENTS as usize).unwrap(), EVENTS, "all the way to the end");
    }
}

// SSE-46, SSE-47, SSE-48, SSE-58
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_a_memory_log_lose_nothing_in_silence_beside_its_publisher() {
    for kept in [1_000, 40, 2] {
        let log = MemoryLog::new(Retention::default().events(kept)).unwrap();
        let mut stream = log.create("a").unwrap();
        let mut readers = JoinSet::new();
        for seed in 0..READERS {
            let log = log.clone();
            readers.spawn(async move {
                let mut client = Client::default();
                for cut in cuts(seed) {
                    let cursor = client.last_id().map(|id| id.parse().unwrap());
                    let Resume::Play(replay) = log.resume_from("a", cursor.as_ref()) else { break };
                    client.read(replay.heartbeat(Heartbeat::never()).into_body(), cut).await;
                }
                client
            });
        }
        let publisher = spawn_blocking(move || {
            for number in 1..EVENTS {
                stream.send_event(Event::data(number.to_string()));
                pause(number);
            }
            stream.finish(Event::data(EVENTS.to_string()))
        });
        publisher.await.unwrap();
        all_read_to_the_end(readers, kept).await;
    }
}

// SSE-46, SSE-47, SSE-48, SSE-58, SSE-60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_the_layer_lose_nothing_in_silence_beside_its_producer() {
    for kept in [1_000, 40, 2] {
        let stage = Arc::new(Stage::with(Retention::default().events(kept), |layer| layer));
        drop(stage.get(request("alice", None)).await);
        let pen = stage.pen();
        let mut readers = JoinSet::new();
        for seed in 0..READERS {
            let stage = stage.clone();
            readers.spawn(async move {
                let mut client = Client::default();
                for cut in cuts(seed) {
                    if client.connect(&stage, cut).await {
                        break;
                    }
                }
                client
            });
        }
        let producer = spawn_blocking(move || {
            for number in 1..=EVENTS {
                say(&pen, &format!("data: {number}\n\n"));
                pause(number);
            }
        });
        producer.await.unwrap();
        all_read_to_the_end(readers, kept).await;
        assert_eq!(stage.calls(), 1);
    }
}
