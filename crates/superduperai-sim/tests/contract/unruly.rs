//! Event streams on bad days: one switch each.

use std::time::Duration;

use serde_json::{Value, json};
use superduperai_sim::{Cut, EventMode, Lie, PROJECT};
use tokio::time::{Instant, timeout};

use crate::support::{Bench, Stream, assert_shape, bench, boat, quick, text};

const HOUR: Duration = Duration::from_secs(3600);

async fn bench_with(events: EventMode) -> Bench {
    bench(quick().events(events)).await
}

/// Makes a job in a project whose stream is open from before, so that no event is missed.
async fn in_project(bench: &Bench) -> (Value, Stream) {
    let stream = bench.stream(&format!("project.{PROJECT}")).await;
    let body = json!({ "project_id": PROJECT, "config": boat() });
    let reply = bench.post("/api/v1/file/generate-image", body).await;
    assert_eq!(reply.status, 200);
    (reply.json()[0].clone(), stream)
}

async fn started(events: EventMode) -> (Bench, Value, Stream) {
    let bench = bench_with(events).await;
    let (file, stream) = in_project(&bench).await;
    (bench, file, stream)
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_sends_nothing_ever() {
    let bench = bench_with(EventMode::silent()).await;
    let (_, mut stream) = in_project(&bench).await;
    assert!(timeout(HOUR, stream.block()).await.is_err());
    assert!(bench.get("/api/v1/file").await.json()["items"][0]["url"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_heartbeats_sends_no_event() {
    let bench = bench_with(EventMode::heartbeat_only()).await;
    let (_, mut stream) = in_project(&bench).await;
    for _ in 0..10 {
        let block = stream.block().await.unwrap().unwrap();
        assert!(block.starts_with(": ping"), "{block}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_can_be_without_heartbeats() {
    let bench = bench_with(EventMode::default().heartbeat(false)).await;
    let (_, mut stream) = in_project(&bench).await;
    for _ in 0..3 {
        let block = stream.block().await.unwrap().unwrap();
        assert!(block.starts_with("data: "), "{block}");
    }
    assert!(timeout(HOUR, stream.block()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn files_without_a_project_can_be_mute() {
    let mode = EventMode::default().only_with_project(true).heartbeat(false);
    let bench = bench(quick().step(HOUR).events(mode)).await;
    let mute = bench.boat().await;
    let mut stream = bench.stream_of(&mute).await;
    assert!(timeout(HOUR * 10, stream.block()).await.is_err());
    assert!(bench.file(&mute["id"]).await["url"].is_string());
    let (heard, mut stream) = in_project(&bench).await;
    let block = stream.block().await.unwrap().unwrap();
    assert!(block.contains(text(&heard["id"])), "{block}");
}

#[tokio::test(start_paused = true)]
async fn the_edge_answers_524_after_a_hang() {
    let hang = Duration::from_secs(100);
    let bench = bench_with(EventMode::default().hang_524(hang)).await;
    let start = Instant::now();
    let reply = bench.get("/api/v1/events/file.x").await;
    assert_eq!((reply.status, &reply.body[..]), (524, &b"error code: 524"[..]));
    assert!(start.elapsed() >= hang);
}

#[tokio::test]
async fn a_stream_is_cut_in_the_middle_of_an_event() {
    let mode = EventMode::default().cut(Cut::AfterEvents(1));
    let (_bench, _file, mut stream) = started(mode).await;
    let (bytes, broke) = stream.rest().await;
    assert!(broke);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (whole, half) = text.split_once("\r\n\r\n").unwrap();
    assert!(whole.ends_with("}}") && half.starts_with("data: {"), "{text}");
    assert!(!half.ends_with('}') && half.len() > 20, "{half}");
}

#[tokio::test]
async fn a_stream_is_cut_after_exactly_so_many_bytes() {
    for bytes in [0, 1, 100] {
        let mode = EventMode::default().cut(Cut::AfterBytes(bytes));
        let (_bench, _file, mut stream) = started(mode).await;
        let (got, broke) = stream.rest().await;
        assert_eq!((got.len(), broke), (bytes, true));
    }
}

#[tokio::test(start_paused = true)]
async fn events_can_be_late() {
    let mode = EventMode::default().late(HOUR).heartbeat(false);
    let bench = bench_with(mode).await;
    let (_, mut stream) = in_project(&bench).await;
    let start = Instant::now();
    let block = stream.block().await.unwrap().unwrap();
    assert!(block.contains("in_progress"), "{block}");
    assert!(start.elapsed() >= HOUR);
    let file = &bench.get("/api/v1/file").await.json()["items"][0];
    assert!(file["url"].is_string());
}

#[tokio::test]
async fn events_can_come_twice() {
    let mode = EventMode::default().duplicate(true);
    let (_bench, _file, mut stream) = started(mode).await;
    let expected = ["task in_progress", "task in_progress", "task completed", "task completed"];
    assert_eq!(stream.outline(4).await, expected);
    assert_eq!(stream.outline(2).await, ["file with url", "file with url"]);
}

#[tokio::test]
async fn the_file_can_come_before_its_tasks() {
    let mode = EventMode::default().file_first(true);
    let (_bench, _file, mut stream) = started(mode).await;
    let expected = ["file with url", "task in_progress", "task completed"];
    assert_eq!(stream.outline(3).await, expected);
}

#[tokio::test]
async fn each_lie_is_told_while_the_job_runs_and_the_truth_follows() {
    let mode = EventMode::default().lies(Lie::ALL);
    let (bench, file, mut stream) = started(mode).await;
    let early = stream.event().await;
    assert_eq!((&early["type"], &early["object"]["id"]), (&json!("file"), &file["id"]));
    assert_eq!(bench.fetch(text(&early["object"]["url"])).await.status, 404);
    assert_eq!(stream.outline(1).await, ["task error"]);
    let foreign = stream.event().await;
    assert_ne!(foreign["object"]["id"], file["id"]);
    assert!(foreign["object"]["url"].is_string());
    let failed = stream.event().await;
    assert_eq!(failed["object"]["file_id"], foreign["object"]["id"]);
    assert_eq!(stream.event().await["type"], "weather");
    assert!(stream.event().await["object"].is_string());
    let broken = stream.data().await;
    assert!(serde_json::from_str::<Value>(&broken).is_err(), "{broken}");
    let truth = ["task in_progress", "task completed", "file with url"];
    assert_eq!(stream.outline(3).await, truth);
}

#[tokio::test]
async fn a_single_lie_can_be_told() {
    let mode = EventMode::default().lies([Lie::EarlyError]);
    let (_bench, _file, mut stream) = started(mode).await;
    let expected = ["task error", "task in_progress", "task completed", "file with url"];
    assert_eq!(stream.outline(4).await, expected);
}

#[tokio::test]
async fn the_documented_dialect_has_the_fixtures_shape() {
    let mode = EventMode::default().documented(true);
    let (_bench, file, mut stream) = started(mode).await;
    let fixture = include_str!("../fixtures/sse-documented-dialect.txt");
    let blocks = fixture.split("\r\n\r\n");
    let shapes: Vec<&str> = blocks.filter_map(|it| it.strip_prefix("data: ")).collect();
    let [progress, task, result] = shapes[..] else { panic!("three events") };
    for expected in [progress, progress, progress, task, result] {
        let event = stream.event().await;
        assert_eq!(event["object"]["file_id"], file["id"]);
        assert_shape(&event, expected);
    }
}

#[tokio::test]
async fn bytes_can_be_held_back_until_the_cut() {
    let mode = EventMode::default().buffer(usize::MAX).cut(Cut::AfterEvents(2));
    let (bench, file, mut stream) = started(mode).await;
    let (bytes, broke) = stream.rest().await;
    assert!(broke);
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text.matches("data: ").count(), 3);
    assert!(bench.file(&file["id"]).await["url"].is_string());
}

#[tokio::test(start_paused = true)]
async fn bytes_can_be_held_back_for_ever() {
    let bench = bench_with(EventMode::default().buffer(usize::MAX)).await;
    let (_, mut stream) = in_project(&bench).await;
    assert!(timeout(HOUR, stream.block()).await.is_err());
}

#[tokio::test]
async fn test_mode_sends_one_event_and_ends() {
    let bench = bench_with(EventMode::default().test(true)).await;
    let mut stream = bench.stream("test").await;
    let fixture = include_str!("../fixtures/sse-test-mode.txt");
    assert_eq!(stream.rest().await, (fixture.into(), false));
}

#[tokio::test]
async fn switches_can_be_combined_and_changed_while_a_stream_is_open() {
    let (bench, file, mut stream) = started(EventMode::silent()).await;
    bench.settled(&file["id"]).await;
    let mode = EventMode::default().duplicate(true).documented(true);
    bench.sim.set_events(mode);
    let (next, mut other) = in_project(&bench).await;
    for stream in [&mut stream, &mut other] {
        let event = stream.event().await;
        assert_eq!(event["type"], "render_progress");
        assert_eq!(event["object"]["file_id"], next["id"]);
        assert_eq!(stream.event().await, event);
    }
}
