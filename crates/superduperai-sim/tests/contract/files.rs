//! `/api/v1/file`, `/api/v1/generation-config` and `/api/v1/user/me`.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use superduperai_sim::{JobStatus, PROJECT};
use uuid::Uuid;

use crate::support::{Bench, NEVER, Reply, assert_shape, bench, boat, quick, text};

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| text(&item["id"])).collect()
}

async fn upload(bench: &Bench, query: &str, field: &str, bytes: &[u8]) -> Reply {
    let head = format!("--edge\r\ncontent-disposition: form-data; {field}\r\n\r\n");
    let body = [head.as_bytes(), bytes, b"\r\n--edge--\r\n"].concat();
    let path = format!("/api/v1/file/upload{query}");
    let request = bench.request(Method::POST, &path);
    let request = request.header("content-type", "multipart/form-data; boundary=edge");
    let request = request.body(Bytes::from(body)).unwrap();
    bench.try_send(request).await.unwrap()
}

#[tokio::test]
async fn files_are_listed_newest_first_in_pages() {
    let bench = bench(quick().step(NEVER)).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(bench.boat().await["id"].clone());
    }
    made.reverse();
    let page = bench.get("/api/v1/file?limit=2").await.json();
    assert_eq!(ids(&page), made[..2]);
    assert_eq!(page["next"], json!({ "offset": 2, "limit": 2 }));
    assert_eq!((&page["total"], &page["offset"]), (&json!(3), &json!(0)));
    let page = bench.get("/api/v1/file?limit=2&offset=2").await.json();
    assert_eq!(ids(&page), made[2..]);
    assert!(page["next"].is_null());
    let page = bench.get("/api/v1/file?order=ascendent").await.json();
    assert!(ids(&page).into_iter().rev().eq(made.iter().map(text)));
    assert_eq!(page["limit"], 50);
}

#[tokio::test]
async fn a_page_of_an_image_and_a_video_has_the_fixtures_shape() {
    let bench = bench(quick()).await;
    let source = bench.boat().await;
    bench.settled(&source["id"]).await;
    let config = json!({
        "generation_config_name": "comfyui/ltx",
        "references": [{ "type": "source", "reference_id": source["id"] }],
    });
    let clip = bench.video(config).await.json();
    bench.settled(&clip["id"]).await;
    let page = bench.get("/api/v1/file?order=ascendent").await.json();
    assert_shape(&page, include_str!("../fixtures/files-page.json"));
}

#[tokio::test]
async fn files_are_filtered_by_type_project_and_user() {
    let bench = bench(quick().step(NEVER)).await;
    let image = bench.boat().await;
    let clip = bench.clip().await;
    let body = json!({ "project_id": PROJECT, "config": boat() });
    let inside = bench.post("/api/v1/file/generate-image", body).await.json()[0].clone();
    let total = async |query: &str| {
        let page = bench.get(&format!("/api/v1/file?{query}")).await.json();
        page["total"].clone()
    };
    assert_eq!(total("types=video").await, 1);
    assert_eq!(total("types=video&types=image").await, 3);
    assert_eq!(total("types=audio").await, 0);
    let page = bench.get(&format!("/api/v1/file?project_id={PROJECT}")).await.json();
    assert_eq!(ids(&page), [text(&inside["id"])]);
    let me = bench.get("/api/v1/user/me").await.json();
    assert_eq!(total(&format!("user_id={}", text(&me["id"]))).await, 3);
    assert_eq!(total(&format!("user_id={}", Uuid::new_v4())).await, 0);
    assert_ne!(image["id"], clip["id"]);
}

#[tokio::test]
async fn an_unknown_file_is_404() {
    let bench = bench(quick()).await;
    let path = format!("/api/v1/file/{}", Uuid::new_v4());
    for reply in [bench.get(&path).await, bench.delete(&path).await] {
        assert_eq!(reply.status, 404);
        assert_eq!(reply.json(), json!({ "detail": "Not Found" }));
    }
}

#[tokio::test]
async fn a_deleted_file_is_answered_once_and_its_job_and_media_are_gone() {
    let bench = bench(quick()).await;
    let file = bench.boat().await;
    let done = bench.settled(&file["id"]).await;
    let path = format!("/api/v1/file/{}", text(&file["id"]));
    let reply = bench.delete(&path).await;
    assert_eq!((reply.status, reply.json()), (200, done.clone()));
    assert_eq!(bench.get(&path).await.status, 404);
    assert_eq!(bench.fetch(text(&done["url"])).await.status, 404);
    bench.sim.change(|settings| settings.step(NEVER));
    let running = bench.boat().await;
    bench.delete(&format!("/api/v1/file/{}", text(&running["id"]))).await;
    let status: Vec<JobStatus> = bench.sim.jobs().iter().map(|job| job.status).collect();
    assert_eq!(status, [JobStatus::Completed, JobStatus::Deleted]);
}

#[tokio::test]
async fn an_upload_is_a_file_whose_bytes_come_back() {
    let bench = bench(quick()).await;
    let png = b"\x89PNG\r\n\x1a\nnot much of one";
    let reply = upload(&bench, "", "name=\"payload\"; filename=\"a.png\"", png).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let file = reply.json();
    assert_shape(&file, include_str!("../fixtures/file-upload-response.json"));
    assert_eq!(file["type"], "image");
    let back = bench.fetch(text(&file["url"])).await;
    assert_eq!(back.header("content-type"), "image/png");
    assert_eq!(back.body, png[..]);
    assert_eq!(bench.file(&file["id"]).await, file);
    let mut config = boat();
    config["references"] = json!([{ "type": "source", "reference_id": file["id"] }]);
    assert_eq!(bench.image(config).await.status, 200);
}

#[tokio::test]
async fn an_uploads_type_is_the_querys_or_the_contents() {
    let bench = bench(quick()).await;
    let field = "name=\"payload\"; filename=\"a\"";
    let kind = async |query: &str, bytes: &[u8]| {
        let file = upload(&bench, query, field, bytes).await.json();
        text(&file["type"]).to_owned()
    };
    assert_eq!(kind("", b"words").await, "text");
    assert_eq!(kind("", b"RIFF....WAVE").await, "audio");
    assert_eq!(kind("?type=voiceover", b"RIFF....WAVE").await, "voiceover");
    let reply = upload(&bench, "?type=poem", field, b"words").await;
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json()["detail"][0]["loc"], json!(["query", "type"]));
}

#[tokio::test]
async fn an_upload_without_a_file_called_payload_is_422() {
    let bench = bench(quick()).await;
    let other = upload(&bench, "", "name=\"file\"; filename=\"a\"", b"x").await;
    let plain = upload(&bench, "", "name=\"payload\"", b"x").await;
    let json = bench.post("/api/v1/file/upload", json!({ "payload": 1 })).await;
    for (reply, kind) in [(other, "missing"), (plain, "value_error"), (json, "missing")] {
        assert_eq!(reply.status, 422);
        let problem = &reply.json()["detail"][0];
        assert_eq!(problem["type"], kind);
        assert_eq!(problem["loc"], json!(["body", "payload"]));
    }
}

#[tokio::test]
async fn an_upload_into_an_unknown_project_is_409() {
    let bench = bench(quick()).await;
    let query = format!("?project_id={}", Uuid::new_v4());
    let reply = upload(&bench, &query, "name=\"payload\"; filename=\"a\"", b"x").await;
    assert_eq!(reply.status, 409);
}

#[tokio::test]
async fn models_are_the_fixtures_in_descending_order_of_name() {
    let bench = bench(quick()).await;
    let all: Value = serde_json::from_str(include_str!("../fixtures/models-all-21.json")).unwrap();
    assert_eq!(bench.get("/api/v1/generation-config").await.json(), all);
    let types = "/api/v1/generation-config?type=text_to_image";
    assert_eq!(bench.get(types).await.json(), all);
}

#[tokio::test]
async fn models_come_in_pages_with_next() {
    let bench = bench(quick()).await;
    let first = bench.get("/api/v1/generation-config?limit=5").await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 5);
    assert_eq!(first["next"], json!({ "offset": 5, "limit": 5 }));
    let last = bench.get("/api/v1/generation-config?limit=5&offset=20").await;
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/models-page-last.json")).unwrap();
    assert_eq!(last.json(), fixture);
    let other = "/api/v1/generation-config?order=ascendent&limit=1";
    let name = bench.get(other).await.json()["items"][0]["name"].clone();
    assert_eq!(name, "azure-openai/gpt-image-1");
}

#[tokio::test]
async fn the_user_has_the_fixtures_shape() {
    let bench = bench(quick()).await;
    let me = bench.get("/api/v1/user/me").await.json();
    assert_shape(&me, include_str!("../fixtures/user-me.json"));
}
