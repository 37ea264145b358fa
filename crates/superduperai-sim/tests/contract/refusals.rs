//! What is refused at once, and how.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use superduperai_sim::{PROJECT, Settings, UnknownModel, VipRefusal};
use uuid::Uuid;

use crate::support::{NEVER, Reply, bench, boat, quick, text};

fn assert_refused(reply: &Reply, status: u16, fixture: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    assert_eq!((reply.status, reply.json()), (status, fixture));
}

#[tokio::test]
async fn a_missing_or_wrong_token_is_401_except_on_ping_and_events() {
    let bench = bench(quick()).await;
    let fixture = include_str!("../fixtures/error-401.json");
    for header in [None, Some("Bearer wrong"), Some("Basic x")] {
        for (method, path) in [
            (Method::GET, "/api/v1/user/me"),
            (Method::GET, "/api/v1/file/x"),
            (Method::GET, "/api/v1/generation-config"),
            (Method::POST, "/api/v1/file/generate-image"),
            (Method::POST, "/api/v1/file/upload"),
        ] {
            let url = format!("{}{path}", bench.sim.url());
            let mut request = Request::builder().method(method).uri(url);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let reply = bench.try_send(request.body(Bytes::new()).unwrap()).await;
            assert_refused(&reply.unwrap(), 401, fixture);
        }
    }
    let ping = format!("{}/api/v1/ping", bench.sim.url());
    assert_eq!(bench.fetch(&ping).await.status, 200);
    bench.stream("file.x").await;
}

#[tokio::test]
async fn too_few_credits_are_402_by_batch_and_by_second() {
    let bench = bench(quick().balance(2.5)).await;
    let fixture = include_str!("../fixtures/error-402.json");
    let batch = json!({ "prompt": "x", "generation_config_name": "comfyui/flux", "batch_size": 3 });
    assert_refused(&bench.image(batch).await, 402, fixture);
    let kling = "fal-ai/kling-video/v2.1/standard/image-to-video";
    let clip = json!({ "generation_config_name": kling, "duration": 5 });
    assert_refused(&bench.video(clip).await, 402, fixture);
    assert_eq!(bench.image(boat()).await.status, 200);
    assert_eq!(bench.sim.jobs().len(), 1);
}

#[tokio::test]
async fn a_vip_model_is_402_or_403_without_vip() {
    let bench = bench(quick().vip(false)).await;
    let imagen = json!({ "prompt": "x", "generation_config_name": "google-cloud/imagen4" });
    assert_eq!(bench.image(imagen.clone()).await.status, 402);
    bench.sim.change(|settings| settings.vip_refusal(VipRefusal::Forbidden));
    assert_eq!(bench.image(imagen).await.status, 403);
    assert_eq!(bench.image(boat()).await.status, 200);
    assert_eq!(bench.get("/api/v1/user/me").await.json()["vip"], false);
}

#[tokio::test]
async fn an_unknown_model_is_404_or_422() {
    let bench = bench(quick()).await;
    let sdxl = json!({ "prompt": "x", "generation_config_name": "comfyui/sdxl" });
    let fixture = include_str!("../fixtures/error-404-generation-config.json");
    assert_refused(&bench.image(sdxl.clone()).await, 404, fixture);
    bench.sim.change(|settings| settings.unknown_model(UnknownModel::Unprocessable));
    let reply = bench.image(sdxl).await;
    assert_eq!(reply.status, 422);
    let message = "Value error, Generation config not found";
    assert_eq!(reply.json()["detail"][0]["msg"], message);
}

#[tokio::test]
async fn unknown_ids_are_409() {
    let bench = bench(quick().step(NEVER)).await;
    let fixture = include_str!("../fixtures/error-409-integrity.json");
    let path = "/api/v1/file/generate-image";
    for field in ["project_id", "scene_id"] {
        let body = json!({ field: Uuid::new_v4(), "config": boat() });
        assert_refused(&bench.post(path, body).await, 409, fixture);
    }
    for (field, value) in [
        ("style_name", json!("realistic")),
        ("references", json!([{ "type": "source", "reference_id": Uuid::new_v4() }])),
        ("references", json!([{ "type": "source", "reference_id": "no id" }])),
    ] {
        let mut config = boat();
        config[field] = value;
        assert_refused(&bench.image(config).await, 409, fixture);
    }
    let body = json!({ "project_id": PROJECT, "config": boat() });
    assert_eq!(bench.post(path, body).await.status, 200);
}

#[tokio::test]
async fn a_scripted_conflict_is_cured_by_a_new_seed() {
    let bench = bench(quick()).await;
    bench.sim.conflict_next_job();
    let seeded = |seed: u32| {
        let mut config = boat();
        config["seed"] = seed.into();
        config
    };
    assert_eq!(bench.image(seeded(1)).await.status, 409);
    assert_eq!(bench.image(seeded(1)).await.status, 409);
    assert_eq!(bench.image(seeded(2)).await.status, 200);
    assert_eq!(bench.image(seeded(1)).await.status, 200);
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let bench = bench(quick()).await;
    let fixture = include_str!("../fixtures/error-404.json");
    for path in ["/", "/api/v1/models", "/api/v1/generation-configs", "/_sim/x"] {
        assert_refused(&bench.get(path).await, 404, fixture);
    }
    let wrong = r#"{"detail":"Method Not Allowed"}"#;
    let reply = bench.send(Method::PUT, "/api/v1/user/me", "").await;
    assert_refused(&reply, 405, wrong);
    assert!(reply.header("allow").contains("GET"));
    assert_eq!(bench.send(Method::HEAD, "/api/v1/user/me", "").await.status, 405);
    assert_eq!(bench.send(Method::HEAD, "/api/v1/ping", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_new_file_is_404_until_its_visibility_delay_is_over() {
    let delay = Duration::from_secs(60);
    let bench = bench(Settings::default().visibility_delay(delay).step(NEVER)).await;
    let start = tokio::time::Instant::now();
    let file = bench.boat().await;
    let path = format!("/api/v1/file/{}", text(&file["id"]));
    assert_eq!(bench.get(&path).await.status, 404);
    assert_eq!(bench.get("/api/v1/file").await.json()["total"], 0);
    while bench.get(&path).await.status == 404 {
        assert!(start.elapsed() < delay * 2);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(start.elapsed() >= delay);
    assert_eq!(bench.get("/api/v1/file").await.json()["total"], 1);
}

#[tokio::test]
async fn a_body_over_the_bound_is_413() {
    let bench = bench(quick()).await;
    let body = vec![b' '; (1 << 20) + 1];
    let reply = bench.send(Method::POST, "/api/v1/file/generate-image", body).await;
    assert_eq!(reply.status, 413);
}
