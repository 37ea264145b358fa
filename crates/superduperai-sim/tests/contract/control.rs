//! `/_sim/requests` and `/_sim/settings`.

use http::Method;
use serde_json::{Value, json};
use superduperai_sim::{Fault, Then};
use uuid::Uuid;

use crate::support::{bench, boat, quick};

#[tokio::test]
async fn requests_are_listed_in_order_without_the_token() {
    let bench = bench(quick()).await;
    bench.get("/api/v1/file?limit=1").await;
    bench.image(boat()).await;
    let reply = bench.get("/_sim/requests").await;
    let listed = reply.json();
    assert_eq!(listed[0]["method"], "GET");
    assert_eq!(listed[0]["path"], "/api/v1/file");
    assert_eq!(listed[0]["query"], "limit=1");
    assert_eq!(listed[0]["headers"]["authorization"], "Bearer ***");
    assert_eq!(listed[1]["path"], "/api/v1/file/generate-image");
    let body: Value = serde_json::from_str(listed[1]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({ "config": boat() }));
    assert!(listed[1]["at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let whole = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(!whole.contains(&bench.sim.token()));
    assert_eq!(serde_json::to_value(bench.sim.requests()).unwrap(), listed);
    assert_eq!(bench.delete("/_sim/requests").await.status, 204);
    assert_eq!(bench.get("/_sim/requests").await.json(), json!([]));
}

#[tokio::test]
async fn the_side_door_meets_no_fault() {
    let bench = bench(quick()).await;
    bench.sim.add_fault(Fault::new(Method::GET, "*", Then::Hang));
    assert_eq!(bench.get("/_sim/jobs").await.json(), json!([]));
}

#[tokio::test]
async fn a_partial_change_leaves_the_rest() {
    let bench = bench(quick()).await;
    let before = bench.get("/_sim/settings").await.json();
    let project = Uuid::new_v4();
    let patch = json!({
        "step": "7ms", "balance": 3.5, "vip": false, "visibility_delay": "1s", "vip_refusal": 403,
        "unknown_model": 422, "projects": [project], "events": { "cut": { "after_events": 2 }, "late": "2s" },
    });
    let after = bench.post("/_sim/settings", patch.clone()).await.json();
    for (name, value) in patch.as_object().unwrap() {
        if name != "events" {
            assert_eq!(after[name], *value, "{name}");
        }
    }
    assert_eq!(after["events"]["cut"], json!({ "after_events": 2 }));
    assert_eq!(after["events"]["late"], "2s");
    assert_eq!(after["events"]["publish"], true);
    assert_eq!(after["heartbeat"], before["heartbeat"]);
    assert_eq!(after["styles"], before["styles"]);
    assert_eq!(bench.sim.balance(), 3.5);
    assert_eq!(bench.get("/_sim/settings").await.json(), after);
}

#[tokio::test]
async fn what_settings_show_can_be_posted_back() {
    let bench = bench(quick()).await;
    let shown = bench.get("/_sim/settings").await.json();
    let reply = bench.post("/_sim/settings", shown.clone()).await;
    assert_eq!((reply.status, reply.json()), (200, shown));
}

#[tokio::test]
async fn the_next_jobs_can_be_doomed_over_http() {
    let bench = bench(quick()).await;
    let patch = json!({ "fail_next_jobs": 1, "conflict_next_job": true });
    assert_eq!(bench.post("/_sim/settings", patch).await.status, 200);
    assert_eq!(bench.image(boat()).await.status, 409);
    let file = bench.boat().await;
    let file = bench.settled(&file["id"]).await;
    assert_eq!(file["tasks"][0]["status"], "error");
    assert!(bench.sim.jobs()[0].refusal.is_some());
}

#[tokio::test]
async fn bad_settings_are_refused_with_a_reason_and_change_nothing() {
    let bench = bench(quick()).await;
    let before = bench.get("/_sim/settings").await.json();
    for (patch, reason) in [
        (json!({ "pace": "1s" }), "unknown field `pace`"),
        (json!({ "step": "soon" }), "`soon` is no duration"),
        (json!({ "vip_refusal": 401 }), "vip_refusal is 402 or 403"),
        (json!({ "vip": false, "events": { "lies": ["white"] } }), "unknown variant `white`"),
    ] {
        let reply = bench.post("/_sim/settings", patch).await;
        assert_eq!(reply.status, 422);
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{detail}");
    }
    assert_eq!(bench.get("/_sim/settings").await.json(), before);
}
