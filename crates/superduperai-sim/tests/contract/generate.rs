//! `generate-*`, from the answer to the finished file.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{NEVER, assert_shape, bench, boat, quick, text};
use superduperai_sim::{JobStatus, PROJECT, SCENE, Settings};

const STEP: Duration = Duration::from_millis(400);

#[tokio::test]
async fn an_image_answers_an_array_of_one_unfinished_file() {
    let bench = bench(quick().step(NEVER)).await;
    let reply = bench.image(boat()).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/json");
    let fixture = include_str!("../fixtures/image-create-response.json");
    assert_shape(&reply.json(), fixture);
    let file = &reply.json()[0];
    assert_eq!(bench.file(&file["id"]).await, *file);
}

#[tokio::test]
async fn defaults_are_the_providers() {
    let bench = bench(quick().step(NEVER)).await;
    let image = &bench.boat().await["image_generation"];
    assert_eq!(image["width"], 1024);
    assert_eq!(image["height"], 1024);
    assert_eq!(image["steps"], 20);
    assert_eq!(image["negative_prompt"], "");
    let seed = image["seed"].as_i64().unwrap();
    assert!((10_i64.pow(13)..10_i64.pow(14)).contains(&seed), "{seed}");
    let video = bench.clip().await;
    assert_eq!(video["video_generation"]["duration"], 5.0);
    assert_eq!(video["video_generation"]["prompt"], "");
    assert!(
        String::from_utf8(bench.get(&format!("/api/v1/file/{}", text(&video["id"]))).await.body.to_vec())
            .unwrap()
            .contains("\"duration\":5.0")
    );
}

#[tokio::test]
async fn a_batch_answers_one_file_per_image_with_a_seed_each() {
    let bench = bench(quick().step(NEVER)).await;
    let config = json!({
        "prompt": "Three paper boats", "generation_config_name": "comfyui/flux", "batch_size": 3,
        "width": 1344, "height": 768, "shot_size": "Long Shot", "style_name": "flux_watercolor", "seed": 418230957711_i64,
    });
    let reply = bench.image(config).await.json();
    let fixture = include_str!("../fixtures/image-create-response-batch3.json");
    assert_shape(&reply, fixture);
    let seeds = [0, 1, 2].map(|index| reply[index]["image_generation"]["seed"].as_i64().unwrap());
    assert_eq!(seeds[0], 418230957711);
    assert!(seeds[1] != seeds[0] && seeds[2] != seeds[1]);
}

#[tokio::test]
async fn a_finished_image_has_urls_and_still_no_tasks() {
    let bench = bench(quick()).await;
    let file = bench.boat().await;
    let done = bench.settled(&file["id"]).await;
    assert_shape(&done, include_str!("../fixtures/file-completed-image.json"));
}

#[tokio::test]
async fn a_failed_image_has_one_error_task_and_no_url() {
    let bench = bench(quick()).await;
    bench.sim.fail_next_job();
    let file = bench.boat().await;
    assert_eq!(file["tasks"], json!([]));
    let failed = bench.settled(&file["id"]).await;
    assert_shape(&failed, include_str!("../fixtures/file-failed-image.json"));
    assert_eq!(failed["tasks"][0]["file_id"], file["id"]);
    let next = bench.boat().await;
    assert!(bench.settled(&next["id"]).await["url"].is_string());
}

#[tokio::test]
async fn a_video_answers_an_object_with_one_running_task() {
    let bench = bench(quick().step(NEVER)).await;
    let ltx = json!({ "generation_config_name": "comfyui/ltx", "prompt": "x" });
    let file = bench.video(ltx).await.json();
    assert_shape(&file, include_str!("../fixtures/video-create-response.json"));
    assert_eq!(file["tasks"][0]["status"], "in_progress");
    assert_eq!(file["tasks"][0]["file_id"], file["id"]);
}

#[tokio::test]
async fn an_animation_carries_its_source_and_finishes() {
    let bench = bench(quick()).await;
    let source = bench.boat().await;
    bench.settled(&source["id"]).await;
    let config = json!({
        "generation_config_name": "comfyui/ltx", "prompt": "move",
        "references": [{ "type": "source", "reference_id": source["id"] }],
    });
    let file = bench.video(config).await.json();
    assert_shape(&file, include_str!("../fixtures/video-create-response-i2v.json"));
    let done = bench.settled(&file["id"]).await;
    assert_shape(&done, include_str!("../fixtures/file-completed-video.json"));
    assert_eq!(done["tasks"][0]["status"], "completed");
    assert_eq!(done["duration"], 5.0);
}

#[tokio::test]
async fn an_inpainting_carries_mask_and_source() {
    let bench = bench(quick().step(NEVER)).await;
    let (mask, source) = (bench.boat().await, bench.boat().await);
    let config = json!({
        "generation_config_name": "comfyui/flux/inpainting", "prompt": "a red sail", "shot_size": null,
        "references": [
            { "type": "mask", "reference_id": mask["id"] },
            { "type": "source", "reference_id": source["id"] },
        ],
    });
    let file = bench.image(config).await.json();
    let references = &file[0]["image_generation"]["references"];
    assert_eq!(references[0]["type"], "mask");
    assert_eq!(references[0]["reference"]["id"], mask["id"]);
    assert_eq!(references[1]["reference_id"], source["id"]);
}

#[tokio::test]
async fn a_sound_answers_an_object_and_finishes() {
    let bench = bench(quick()).await;
    let config = json!({ "type": "sound_effect", "prompt": "soft waves", "duration": 5 });
    let reply = bench.post("/api/v1/file/generate-audio", json!({ "config": config })).await;
    assert_shape(&reply.json(), include_str!("../fixtures/audio-create-response.json"));
    let done = bench.settled(&reply.json()["id"]).await;
    let sound = bench.fetch(text(&done["url"])).await;
    assert_eq!(sound.header("content-type"), "audio/mpeg");
    assert!(done["thumbnail_url"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_job_takes_four_steps_and_its_task_completes_before_its_url_is_there() {
    let bench = bench(Settings::default().step(STEP)).await;
    let start = Instant::now();
    let id = bench.clip().await["id"].clone();
    let mut seen: Vec<(bool, Value)> = Vec::new();
    let mut done_after = Duration::ZERO;
    while done_after.is_zero() {
        let file = bench.file(&id).await;
        let state = (file["url"].is_string(), file["tasks"][0]["status"].clone());
        if state.0 {
            done_after = start.elapsed();
        }
        if seen.last() != Some(&state) {
            seen.push(state);
        }
        tokio::time::sleep(STEP / 20).await;
    }
    let expected = [(false, json!("in_progress")), (false, json!("completed")), (true, json!("completed"))];
    assert_eq!(seen, expected);
    assert!(done_after >= STEP * 4 && done_after < STEP * 5, "{done_after:?}");
}

#[tokio::test]
async fn credits_are_charged_on_success_only() {
    let bench = bench(quick().balance(10.0)).await;
    bench.sim.fail_next_job();
    let failed = bench.boat().await;
    bench.settled(&failed["id"]).await;
    assert_eq!(bench.sim.balance(), 10.0);
    let made = bench.boat().await;
    bench.settled(&made["id"]).await;
    assert_eq!(bench.sim.balance(), 9.0);
    let me = bench.get("/api/v1/user/me").await.json();
    assert_shape(&json!({ "balance": me["balance"] }), r#"{ "balance": 9.5 }"#);
    assert_eq!(me["balance"], 9.0);
}

#[tokio::test]
async fn jobs_are_reported_with_project_scene_and_end() {
    let bench = bench(quick()).await;
    let body = json!({ "project_id": PROJECT, "scene_id": SCENE, "config": boat() });
    let file = bench.post("/api/v1/file/generate-image", body).await.json()[0].clone();
    bench.settled(&file["id"]).await;
    let [job] = &bench.sim.jobs()[..] else { panic!("one job") };
    assert_eq!(job.id.to_string(), text(&file["id"]));
    assert_eq!(job.project_id, Some(PROJECT));
    assert_eq!(job.status, JobStatus::Completed);
    assert_eq!(bench.get("/_sim/jobs").await.json(), json!([job]));
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let bench = bench(quick().step(NEVER)).await;
    let config = json!({
        "generation_config_name": "google-cloud/veo2-text2video", "frame_rate": "often",
        "shot_size": "no such", "params": { "width": 1 },
    });
    let body = json!({ "config": config, "type": "media", "template_name": 7 });
    assert_eq!(bench.post("/api/v1/file/generate-video", body).await.status, 200);
}
