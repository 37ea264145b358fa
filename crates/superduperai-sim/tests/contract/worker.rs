//! What fails only after a 200.

use serde_json::{Value, json};

use crate::support::{assert_shape, bench, quick};

async fn fails(config: Value) -> Value {
    let bench = bench(quick()).await;
    let reply = bench.video(config).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["tasks"][0]["status"], "in_progress");
    let file = bench.settled(&reply.json()["id"]).await;
    assert_eq!(file["tasks"][0]["status"], "error");
    assert!(file["url"].is_null());
    assert_eq!(bench.sim.balance(), 1000.0);
    file
}

#[tokio::test]
async fn an_animation_without_a_source_fails() {
    let config = json!({ "generation_config_name": "comfyui/ltx" });
    let fixture = include_str!("../fixtures/file-failed.json");
    assert_shape(&fails(config).await, fixture);
}

#[tokio::test]
async fn an_image_model_fails_on_the_video_endpoint() {
    fails(json!({ "generation_config_name": "comfyui/flux" })).await;
}

#[tokio::test]
async fn sora_fails_without_a_ratio_and_in_portrait() {
    fails(json!({ "generation_config_name": "azure-openai/sora" })).await;
    fails(json!({ "generation_config_name": "azure-openai/sora", "aspect_ratio": "9:16" })).await;
}

#[tokio::test]
async fn sora_fails_at_1088_lines_and_works_at_1080() {
    let sora = |height: u16| {
        json!({
            "generation_config_name": "azure-openai/sora",
            "aspect_ratio": "16:9", "width": 1920, "height": height,
        })
    };
    fails(sora(1088)).await;
    let bench = bench(quick()).await;
    let file = bench.video(sora(1080)).await.json();
    assert!(bench.settled(&file["id"]).await["url"].is_string());
}

#[tokio::test]
async fn a_picture_too_large_to_draw_fails() {
    let bench = bench(quick()).await;
    let config = json!({ "prompt": "x", "generation_config_name": "comfyui/flux", "width": 99999 });
    let file = bench.image(config).await.json()[0].clone();
    let file = bench.settled(&file["id"]).await;
    assert_eq!(file["tasks"][0]["status"], "error");
}
