//! The gateway behind a real nginx as it is by default, which buffers answers.

use std::time::Duration;

use buttress_tests::{
    http::{Event, Http},
    nginx::Nginx,
};
use serde_json::json;

use super::Gateway;

/// A heartbeat each 50 ms, and a job that says nothing for a minute after its first event.
async fn gateway() -> Gateway {
    let slow = superduperai_sim::Settings::default().step(Duration::from_secs(60));
    Gateway::start_with(slow, |settings| settings.heartbeat = Duration::from_millis(50)).await
}

async fn events_of_a_picture(client: &Http) -> String {
    let job = client.post("/api/images", &json!({ "prompt": "a paper boat" })).await.data();
    job["links"]["events"].as_str().expect("a job has links").to_owned()
}

fn a_few(events: &[Event]) -> bool {
    events.len() >= 5
}

// SSE-41, SSE-42
#[tokio::test]
async fn events_and_heartbeats_are_not_held_back() {
    let gateway = gateway().await;
    let nginx = Nginx::in_front_of(gateway.addr()).await;
    let cookie = gateway.http().get("/").await.cookie();
    let client = Http::new(&nginx.url()).with("cookie", &cookie);
    let path = events_of_a_picture(&client).await;
    // The job is far from its end: what arrives was passed on at once.
    let events = client.events(&path, &[], a_few).await;
    assert_eq!((&*events[0].name, &*events[4].name), ("queued", "heartbeat"));
}

/// So that the test above proves something: nginx does buffer, unless the answer says otherwise.
#[tokio::test]
async fn events_are_held_back_where_nginx_does_not_heed_the_answer() {
    let gateway = gateway().await;
    let deaf =
        format!("location / {{ proxy_pass http://{}; proxy_ignore_headers X-Accel-Buffering; }}", gateway.addr());
    let nginx = Nginx::start(&deaf).await;
    let cookie = gateway.http().get("/").await.cookie();
    let client = |url: &str| Http::new(url).with("cookie", &cookie);
    let path = events_of_a_picture(&client(gateway.url())).await;
    let held = client(&nginx.url());
    tokio::select! {
        events = held.events(&path, &[], |events| !events.is_empty()) => panic!("{events:?}"),
        events = async {
            // Time enough for the other one, as the same events arrive here.
            client(gateway.url()).events(&path, &[], |events| events.len() >= 20).await
        } => assert_eq!(events.len(), 20),
    }
}
