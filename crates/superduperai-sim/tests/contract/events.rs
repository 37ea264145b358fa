//! Event streams on a good day.

use std::time::Duration;

use serde_json::{Value, json};
use superduperai_sim::{PROJECT, Settings};
use tokio::time::{Instant, timeout};

use crate::support::{PATIENCE, assert_shape, bench, boat, quick, text};

#[tokio::test]
async fn a_stream_has_the_headers_of_the_provider_and_needs_no_token() {
    let bench = bench(quick()).await;
    let stream = bench.stream("file.whatever").await;
    let header = |name| stream.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-accel-buffering"), "no");
    assert_eq!(header("connection"), "keep-alive");
}

/// Steps long enough to subscribe in.
fn slow() -> Settings {
    Settings::default().step(Duration::from_millis(200))
}

#[tokio::test]
async fn an_image_emits_its_tasks_and_then_the_whole_file() {
    let bench = bench(slow()).await;
    let file = bench.boat().await;
    let mut stream = bench.stream_of(&file).await;
    let fixture = include_str!("../fixtures/sse-image-success-with-task.txt");
    let blocks = fixture.split("\r\n\r\n");
    let expected: Vec<&str> = blocks.filter_map(|it| it.strip_prefix("data: ")).collect();
    assert_eq!(expected.len(), 3);
    for expected in expected {
        assert_shape(&stream.event().await, expected);
    }
    let done = bench.file(&file["id"]).await;
    assert!(done["url"].is_string() && done["tasks"] == json!([]));
}

#[tokio::test]
async fn an_event_is_one_data_line_with_crlf() {
    let bench = bench(quick()).await;
    let mut stream = bench.stream(&format!("project.{PROJECT}")).await;
    let body = json!({ "project_id": PROJECT, "config": boat() });
    bench.post("/api/v1/file/generate-image", body).await;
    let block = stream.block().await.unwrap().unwrap();
    let line = block.strip_suffix("\r\n\r\n").unwrap();
    assert!(line.starts_with("data: {\"type\":\"task\",\"object\":{\"type\":"), "{line}");
    assert!(!line.contains(['\r', '\n']));
}

#[tokio::test]
async fn a_failed_video_emits_task_error_and_a_file_without_url() {
    let bench = bench(quick()).await;
    let mut stream = bench.stream(&format!("project.{PROJECT}")).await;
    let config = json!({ "generation_config_name": "comfyui/ltx" });
    let body = json!({ "project_id": PROJECT, "config": config });
    bench.post("/api/v1/file/generate-video", body).await;
    assert_eq!(stream.outline(2).await, ["task in_progress", "task error"]);
    let event = stream.event().await;
    let fixture = include_str!("../fixtures/sse-video-failure.txt");
    let blocks: Vec<&str> = fixture.split("\r\n\r\n").collect();
    let mut fixture: Value = serde_json::from_str(&blocks[2]["data: ".len()..]).unwrap();
    fixture["object"]["tasks"][0]["project_id"] = PROJECT.to_string().into();
    assert_shape(&event, &fixture.to_string());
    assert_eq!(event["object"]["tasks"][0]["status"], "error");
}

#[tokio::test]
async fn a_project_hears_of_its_files() {
    let bench = bench(quick()).await;
    let mut stream = bench.stream(&format!("project.{PROJECT}")).await;
    bench.boat().await;
    let body = json!({ "project_id": PROJECT, "config": boat() });
    let file = bench.post("/api/v1/file/generate-image", body).await.json()[0].clone();
    let event = stream.event().await;
    assert_eq!(event["object"]["file_id"], file["id"]);
    assert_eq!(text(&event["object"]["project_id"]), PROJECT.to_string());
    assert_eq!(stream.outline(2).await, ["task completed", "file with url"]);
}

#[tokio::test]
async fn what_was_published_before_is_not_replayed() {
    let bench = bench(slow()).await;
    let file = bench.boat().await;
    let mut early = bench.stream_of(&file).await;
    early.outline(3).await;
    let beat = Duration::from_millis(5);
    bench.sim.change(|settings| settings.heartbeat(beat));
    let mut late = bench.stream_of(&file).await;
    let block = timeout(PATIENCE, late.block()).await.unwrap();
    assert!(block.unwrap().unwrap().starts_with(": ping - "));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_comments_every_fifteen_seconds_and_the_stream_never_ends() {
    let bench = bench(Settings::default()).await;
    let mut stream = bench.stream("file.unknown").await;
    let start = Instant::now();
    for beat in 1..=40 {
        let block = stream.block().await.unwrap().unwrap();
        let stamp = block.strip_prefix(": ping - ").unwrap();
        assert_eq!(stamp.len(), "2025-08-08 11:00:00.000000+00:00\r\n\r\n".len());
        let late = start.elapsed() - Duration::from_secs(15) * (beat - 1);
        assert!(late < Duration::from_secs(16), "{late:?}");
    }
    assert!(start.elapsed() >= Duration::from_secs(15 * 39));
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_moves_jobs_and_streams_alike() {
    let hour = Duration::from_secs(3600);
    let bench = bench(Settings::default().step(hour)).await;
    let start = Instant::now();
    let mut stream = bench.stream(&format!("project.{PROJECT}")).await;
    let body = json!({ "project_id": PROJECT, "config": boat() });
    bench.post("/api/v1/file/generate-image", body).await;
    let mut last = String::new();
    while !last.contains("\"type\":\"file\"") {
        last = stream.block().await.unwrap().unwrap();
    }
    assert!(start.elapsed() >= hour * 4);
}
