use std::{collections::BTreeSet, time::Duration};

use buttress_envelope::Mode;
use buttress_tests::http::{Answer, Event, Http};
use bytes::Bytes;
use gateway_common::Settings;
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::Gateway;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0\0\x03\x01\x01\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82";

fn slowly(step: Duration) -> superduperai_sim::Settings {
    superduperai_sim::Settings::default().step(step)
}

fn until_the_end(_: &[Event]) -> bool {
    false
}

fn id_of(job: &Value) -> &str {
    job["jobId"].as_str().expect("a job has an id")
}

fn link<'a>(job: &'a Value, name: &str) -> &'a str {
    job["links"][name].as_str().expect("a job has links")
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

async fn picture(client: &Http) -> Value {
    let answer = client.post("/api/images", &json!({ "prompt": "a paper boat" })).await;
    assert_eq!(answer.status, 202);
    answer.data()
}

async fn finished_picture(client: &Http) -> Value {
    let job = picture(client).await;
    let events = client.events(link(&job, "events"), &[], until_the_end).await;
    assert_eq!(names(&events).last(), Some(&"completed"));
    job
}

/// The bytes behind an absolute address.
async fn download(url: &str) -> Answer {
    let (base, path) = url.split_at(url.find("/generated").expect("media lie under /generated"));
    Http::new(base).get(path).await
}

fn form(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n--X--\r\n"].concat()
}

async fn upload(client: &Http, content: &[u8]) -> Answer {
    client.post_raw("/api/uploads", "multipart/form-data; boundary=X", form("file", content)).await
}

#[tokio::test]
async fn a_picture_goes_from_a_prompt_to_its_bytes() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;

    let answer =
        client.post("/api/images", &json!({ "prompt": "a boat", "width": 320, "height": 240, "seed": 7 })).await;
    assert_eq!(answer.status, 202);
    let job = answer.data();
    assert_eq!(answer.header("location"), format!("/api/jobs/{}", id_of(&job)));
    assert_eq!((&job["kind"], &job["status"]), (&json!("image"), &json!("queued")));
    assert!(job["createdAt"].as_str().unwrap().ends_with('Z'), "{job}");
    assert_eq!(link(&job, "self"), answer.header("location"));

    let events = client.events(link(&job, "events"), &[], until_the_end).await;
    assert_eq!(names(&events)[0], "queued");
    assert_eq!(names(&events)[events.len() - 2..], ["artifact", "completed"]);
    for event in &events {
        assert_eq!(event.json()["type"], event.name);
        assert_eq!(event.json()["jobId"], job["jobId"]);
        assert!(event.json()["ts"].is_string() && event.json()["step"].is_string());
        assert!(event.json().get("progress").is_none(), "no figure is made up: {event:?}");
    }
    let ids: BTreeSet<_> = events.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), events.len(), "every event has an id of its own");

    let done = client.get(link(&job, "self")).await.data();
    assert_eq!(done["status"], "completed");
    let artifact = client.get(link(&job, "result")).await.data();
    assert_eq!(artifact["artifactId"], done["artifactId"]);
    assert_eq!((&artifact["width"], &artifact["height"]), (&json!(320), &json!(240)));
    assert_eq!(artifact["cost"], json!({ "amount": 1.0, "currency": "credits" }));
    let bytes = download(artifact["url"].as_str().unwrap()).await;
    assert_eq!(bytes.header("content-type"), artifact["mediaType"].as_str().unwrap());
    assert_eq!((&bytes.body[..4], &bytes.body[8..12]), (&b"RIFF"[..], &b"WEBP"[..]));
}

#[tokio::test]
async fn a_video_can_start_from_words_from_an_upload_and_from_a_picture_made_before() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let uploaded = upload(&client, PNG).await;
    assert_eq!(uploaded.status, 201);
    assert_eq!(uploaded.data()["mediaType"], "image/png");
    let made = finished_picture(&client).await;

    let requests = [
        json!({ "prompt": "waves", "duration": 6, "aspectRatio": "16:9" }),
        json!({ "prompt": "waves", "image": uploaded.data()["fileId"] }),
        json!({ "prompt": "waves", "image": id_of(&made) }),
    ];
    for request in requests {
        let answer = client.post("/api/videos", &request).await;
        assert_eq!(answer.status, 202, "{request}: {:?}", answer.body);
        let job = answer.data();
        let events = client.events(link(&job, "events"), &[], until_the_end).await;
        assert_eq!(names(&events).last(), Some(&"completed"), "{request}");
        let artifact = client.get(link(&job, "result")).await.data();
        assert_eq!((&artifact["kind"], &artifact["mediaType"]), (&json!("video"), &json!("video/mp4")));
        assert!(artifact["durationMs"].as_u64().is_some_and(|millis| millis >= 5_000), "{artifact}");
        let bytes = download(artifact["url"].as_str().unwrap()).await;
        assert_eq!(&bytes.body[4..8], b"ftyp");
    }
}

#[tokio::test]
async fn a_video_is_no_picture_to_work_from() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let uploaded = upload(&client, b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom").await;
    assert_eq!(uploaded.data()["mediaType"], "video/mp4");
    let video = client.post("/api/videos", &json!({ "prompt": "waves" })).await.data();
    client.events(link(&video, "events"), &[], until_the_end).await;
    for file in [uploaded.data()["fileId"].as_str().unwrap(), id_of(&video)] {
        let references = json!([{ "type": "source", "fileId": file }]);
        let picture = json!({ "prompt": "a", "model": "fal-ai/flux-pro/kontext", "references": references });
        let refused = [
            (client.post("/api/videos", &json!({ "prompt": "a", "image": file })).await, "image"),
            (client.post("/api/images", &picture).await, "references[0].fileId"),
        ];
        for (answer, field) in refused {
            assert_eq!(answer.failure(), (422, "validation_failed".into()));
            assert_eq!(answer.error()["details"], json!([{ "field": field, "problem": "is a video, not a picture" }]));
        }
    }
    assert_eq!(gateway.sim().jobs().len(), 1, "nothing more was paid for");
}

#[tokio::test]
async fn every_bad_input_has_its_own_answer() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let long = "x".repeat(4_001);
    let table = [
        ("{", 400, "bad_request", ""),
        ("{}", 422, "validation_failed", "prompt"),
        (r#"{"prompt":""}"#, 422, "validation_failed", "prompt"),
        (r#"{"prompt":1}"#, 422, "validation_failed", "prompt"),
        (r#"{"prompt":"a","size":"big"}"#, 422, "validation_failed", "size"),
        (r#"{"prompt":"a","width":"big"}"#, 422, "validation_failed", "width"),
        (r#"{"prompt":"a","width":0}"#, 422, "validation_failed", "width"),
        (&format!(r#"{{"prompt":"{long}"}}"#), 422, "validation_failed", "prompt"),
        (r#"{"prompt":"a","model":"no/such"}"#, 422, "validation_failed", "model"),
        (r#"{"prompt":"a","model":"comfyui/ltx"}"#, 422, "validation_failed", "model"),
        (
            r#"{"prompt":"a","references":[{"type":"style","fileId":"f"}]}"#,
            422,
            "validation_failed",
            "references[0].fileId",
        ),
    ];
    for (body, status, code, field) in table {
        let answer = client.post_raw("/api/images", "application/json", body.to_owned()).await;
        assert_eq!(answer.failure(), (status, code.into()), "{body}");
        let error = answer.error();
        assert_eq!(
            (&error["retryable"], error["details"][0]["field"].as_str().unwrap_or_default()),
            (&json!(false), field)
        );
    }
    let videos = [
        (json!({ "prompt": "a", "duration": 7.5 }), "duration"),
        (json!({ "prompt": "a", "duration": 30 }), "duration"),
        (json!({ "prompt": "a", "aspectRatio": "wide" }), "aspectRatio"),
        (json!({ "prompt": "a", "model": "comfyui/flux" }), "model"),
        (json!({ "prompt": "a", "image": "nobodys" }), "image"),
    ];
    for (body, field) in videos {
        let error = client.post("/api/videos", &body).await.error();
        assert_eq!(
            (error["code"].as_str(), error["details"][0]["field"].as_str()),
            (Some("validation_failed"), Some(field))
        );
    }
    let no_source = client.post("/api/videos", &json!({ "prompt": "a", "model": "comfyui/ltx" })).await;
    assert_eq!(no_source.failure(), (422, "validation_failed".into()));
    assert_eq!(no_source.error()["details"][0]["field"], "image");
    assert!(gateway.sim().jobs().is_empty(), "nothing was paid for");
}

#[tokio::test]
async fn bodies_and_addresses_that_are_not_taken_have_the_same_shape() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let huge = format!(r#"{{"prompt":"{}"}}"#, "x".repeat(70_000));
    let failures = [
        (client.post_raw("/api/images", "application/json", huge).await, 413, "payload_too_large"),
        (client.post_raw("/api/images", "text/plain", "{}").await, 415, "unsupported_media_type"),
        (client.post_raw("/api/uploads", "image/png", PNG).await, 415, "unsupported_media_type"),
        (upload(&client, b"<html>").await, 415, "unsupported_media_type"),
        (client.get("/api/nothing").await, 404, "not_found"),
        (client.get("/api/jobs/%2e%2e").await, 404, "not_found"),
        (client.get("/api/jobs/no-such-job/events").await, 404, "not_found"),
        (client.get("/api/jobs/%ff").await, 404, "not_found"),
    ];
    for (answer, status, code) in failures {
        assert_eq!(answer.failure(), (status, code.into()));
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let wrong_method = client.send(Method::DELETE, "/api/images", &[], Bytes::new()).await;
    assert_eq!(wrong_method.failure(), (405, "method_not_allowed".into()));
    assert_eq!(wrong_method.header("allow"), "POST");
    let other_field = client.post_raw("/api/uploads", "multipart/form-data; boundary=X", form("picture", PNG)).await;
    assert_eq!(other_field.failure(), (422, "validation_failed".into()));
}

// RFC 9110, 8.6
#[tokio::test]
async fn the_answer_to_a_head_tells_the_length_of_its_get() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let job = finished_picture(&client).await;
    let paths = [link(&job, "self"), link(&job, "result"), "/api/models", "/api/jobs/none", "/healthz", "/openapi.json"];
    for path in paths {
        let length = client.get(path).await.body.len();
        let head = client.send(Method::HEAD, path, &[], Bytes::new()).await;
        assert_eq!(head.header("content-length"), length.to_string(), "{path}");
    }
}

#[tokio::test]
async fn problem_details_are_sent_to_who_asks_for_them() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.http().with("accept", "application/problem+json");
    let answer = client.get("/api/jobs/none").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, "application/problem+json"));
    let problem = answer.json();
    assert_eq!(
        (&problem["status"], &problem["code"], &problem["retryable"]),
        (&json!(404), &json!("not_found"), &json!(false))
    );
    assert_eq!(problem["correlationId"], answer.header("x-correlation-id"));
}

#[tokio::test]
async fn a_correlation_id_is_kept_or_made_and_reaches_the_provider() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await.with("x-correlation-id", "my-id.1");
    let answer = client.post("/api/images", &json!({ "prompt": "a" })).await;
    assert_eq!(answer.header("x-correlation-id"), "my-id.1");
    client.events(link(&answer.data(), "events"), &[], until_the_end).await;
    let sent: BTreeSet<_> =
        gateway.sim().requests().into_iter().map(|request| request.headers["x-correlation-id"].clone()).collect();
    assert_eq!(sent.into_iter().collect::<Vec<_>>(), ["my-id.1"]);

    let bad = gateway.http().with("x-correlation-id", "not good").get("/api/jobs/none").await;
    assert_eq!(bad.header("x-correlation-id").len(), 36);
    assert_eq!(bad.error()["correlationId"], bad.header("x-correlation-id"));
}

// COR-2, COR-3
#[tokio::test]
async fn a_trace_goes_on_through_every_call_to_the_provider() {
    let gateway = Gateway::start(|_| {}).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let client = gateway.guest().await.with("traceparent", &format!("00-{trace}-b7ad6b7169203331-01"));
    let job = finished_picture(&client.with("tracestate", "rojo=00f067aa0ba902b7")).await;
    let sent = gateway.sim().requests();
    let parents: BTreeSet<_> = sent.iter().map(|request| request.headers["traceparent"].clone()).collect();
    assert_eq!(parents.len(), sent.len(), "every call has a parent of its own");
    assert!(parents.iter().all(|parent| parent.contains(trace) && !parent.contains("b7ad6b7169203331")), "{parents:?}");
    assert!(sent.iter().all(|request| request.headers["tracestate"] == "rojo=00f067aa0ba902b7"));

    let fresh = finished_picture(&gateway.guest().await).await;
    assert_ne!(job["jobId"], fresh["jobId"]);
    let started = gateway.sim().requests().last().map(|request| request.headers["traceparent"].clone()).unwrap();
    assert!(started.len() == 55 && !started.contains(trace), "{started}");
}

#[tokio::test]
async fn answers_come_in_their_old_shape_where_that_is_set() {
    let old = Gateway::start(|settings| settings.envelope = Mode::Legacy).await;
    let client = old.guest().await;
    let answer = client.post("/api/images", &json!({ "prompt": "a" })).await;
    assert_eq!((answer.status.as_u16(), answer.json()["kind"].as_str()), (202, Some("image")));
    let failure = client.get("/api/jobs/none").await;
    assert_eq!((failure.status.as_u16(), failure.json()["error"].is_string()), (404, true));

    let both = Gateway::start(|settings| settings.envelope = Mode::Dual).await;
    assert!(both.http().get("/api/models").await.json().is_array());
    assert!(both.http().with("x-envelope", "new").get("/api/models").await.data().is_array());
}

#[tokio::test]
async fn what_is_somebody_elses_does_not_exist() {
    let keys = vec![("alice".to_owned(), "alice-key".into()), ("bob".to_owned(), "bob-key".into())];
    let gateway = Gateway::start(|settings| settings.api_keys = keys).await;
    let alice = gateway.http().with("authorization", "Bearer alice-key");
    let job = finished_picture(&alice).await;
    let file = upload(&alice, PNG).await.data()["fileId"].clone();
    for other in [gateway.http().with("authorization", "Bearer bob-key"), gateway.guest().await, gateway.http()] {
        for name in ["self", "result", "events"] {
            assert_eq!(other.get(link(&job, name)).await.failure(), (404, "not_found".into()), "{name}");
        }
        for image in [&file, &job["jobId"]] {
            let answer = other.post("/api/videos", &json!({ "prompt": "a", "image": image })).await;
            assert_eq!(answer.failure(), (422, "validation_failed".into()));
        }
    }
    assert_eq!(alice.get(link(&job, "self")).await.status, 200);
}

#[tokio::test]
async fn who_is_not_let_in_gets_a_401() {
    let closed = |settings: &mut Settings| {
        settings.guests = false;
        settings.api_keys = vec![("alice".to_owned(), "alice-key".into())];
    };
    let gateway = Gateway::start(closed).await;
    assert_eq!(gateway.http().get("/api/models").await.failure(), (401, "unauthorized".into()));
    assert_eq!(gateway.http().post("/api/images", &json!({ "prompt": "a" })).await.failure().0, 401);
    let wrong = gateway.http().with("authorization", "Bearer alice-kex");
    assert_eq!(wrong.get("/api/models").await.failure(), (401, "unauthorized".into()));
    assert_eq!(gateway.http().with("authorization", "Bearer alice-key").get("/api/models").await.status, 200);
    assert_eq!(gateway.http().get("/").await.status, 200, "the page is for everybody");
}

#[tokio::test]
async fn a_guest_who_starts_without_the_page_gets_a_cookie_too() {
    let gateway = Gateway::start(|_| {}).await;
    let answer = gateway.http().post("/api/images", &json!({ "prompt": "a" })).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let again = gateway.http().with("cookie", &answer.cookie()).get(answer.header("location")).await;
    assert_eq!(again.status, 200);
}

// SSE-46, SSE-61
#[tokio::test]
async fn a_cut_stream_goes_on_right_after_the_last_event_that_arrived() {
    let gateway = Gateway::start_with(slowly(Duration::from_millis(100)), |_| {}).await;
    let client = gateway.guest().await;
    let job = picture(&client).await;
    let path = link(&job, "events");
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &Event| event.name != "completed") {
        let last = seen.last().map_or(String::new(), |event| event.id.clone());
        seen.extend(client.events(path, &[("last-event-id", &last)], |events| !events.is_empty()).await);
    }
    let all = client.events(path, &[], until_the_end).await;
    assert_eq!(seen, all, "event by event over a new connection each, none is lost or doubled");

    let last = &all.last().unwrap().id;
    assert_eq!(client.send(Method::GET, path, &[("last-event-id", last)], Bytes::new()).await.status, 204);
    let in_query = format!("{path}?lastEventId={last}");
    assert_eq!(client.get(&in_query).await.status, 204);
    let from_query = client.events(&format!("{path}?lastEventId={}", all[0].id), &[], until_the_end).await;
    assert_eq!(from_query, all[1..]);
}

// SSE-47
#[tokio::test]
async fn a_cursor_that_is_unknown_starts_over_and_a_malformed_one_is_refused() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let job = finished_picture(&client).await;
    let other = finished_picture(&client).await;
    let path = link(&job, "events");
    let all = client.events(path, &[], until_the_end).await;
    let foreign = client.events(link(&other, "events"), &[], until_the_end).await[0].id.clone();
    let again = client.events(path, &[("last-event-id", &foreign)], until_the_end).await;
    assert_eq!(again[0].name, "reset");
    assert_eq!(names(&again[1..]), names(&all));
    for bad in ["x", "1-2-3-", "../..", &"9".repeat(200)] {
        let answer = client.send(Method::GET, path, &[("last-event-id", bad)], Bytes::new()).await;
        assert_eq!(answer.failure(), (400, "bad_request".into()), "{bad}");
    }
}

// SSE-42
#[tokio::test]
async fn a_stream_begins_with_a_retry_line_and_is_not_to_be_buffered() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let job = finished_picture(&client).await;
    let answer = client.get(link(&job, "events")).await;
    let text = str::from_utf8(&answer.body).unwrap();
    assert!(text.starts_with("retry: 2000\n\nid: ") && !text.contains("\n:"), "{text}");
    assert_eq!((answer.header("cache-control"), answer.header("x-accel-buffering")), ("no-store", "no"));
    assert_eq!(answer.header("content-length"), "");
}

// SSE-43: by choice of the contract an event, so that a page can hear it; without an id of its own.
#[tokio::test]
async fn heartbeats_fill_the_silence_and_move_no_cursor() {
    let quiet = |settings: &mut Settings| settings.heartbeat = Duration::from_millis(50);
    let gateway = Gateway::start_with(slowly(Duration::from_millis(300)), quiet).await;
    let client = gateway.guest().await;
    let job = picture(&client).await;
    let events = client.events(link(&job, "events"), &[], until_the_end).await;
    let beats: Vec<_> = events.iter().filter(|event| event.name == "heartbeat").collect();
    assert!(beats.len() >= 3, "{}", beats.len());
    assert_eq!((&beats[0].json()["type"], &beats[0].json()["jobId"]), (&json!("heartbeat"), &job["jobId"]));
    for pair in events.windows(2).filter(|pair| pair[1].name == "heartbeat") {
        assert_eq!(pair[0].id, pair[1].id);
    }
    assert_eq!(names(&events).last(), Some(&"completed"));
}

#[tokio::test]
async fn a_result_that_is_not_there_yet_says_when_to_come_back() {
    let gateway = Gateway::start_with(slowly(Duration::from_secs(5)), |_| {}).await;
    let client = gateway.guest().await;
    let job = picture(&client).await;
    let answer = client.get(link(&job, "result")).await;
    assert_eq!(answer.failure(), (409, "job_not_finished".into()));
    assert_eq!(answer.error()["retryable"], true);
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    let image = client.post("/api/videos", &json!({ "prompt": "a", "image": id_of(&job) })).await;
    assert_eq!(image.failure(), (422, "validation_failed".into()));
}

#[tokio::test]
async fn a_job_that_fails_says_so_everywhere() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    gateway.sim().fail_next_job();
    let job = picture(&client).await;
    let events = client.events(link(&job, "events"), &[], until_the_end).await;
    let last = events.last().unwrap();
    assert_eq!(last.name, "failed");
    let error = &last.json()["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("job_failed"), &json!(false)));
    assert!(error["correlationId"].is_string() && error["message"].is_string());
    let looked = client.get(link(&job, "self")).await.data();
    assert_eq!((&looked["status"], &looked["error"]), (&json!("failed"), error));
    assert_eq!(client.get(link(&job, "result")).await.failure(), (422, "job_failed".into()));
}

#[tokio::test]
async fn how_a_job_ended_is_told_also_when_its_events_are_forgotten() {
    let gateway = Gateway::start(|settings| settings.retain = Duration::from_millis(50)).await;
    let client = gateway.guest().await;
    let job = finished_picture(&client).await;
    let path = link(&job, "events");
    let forgotten = || async { tokio::time::sleep(Duration::from_millis(80)).await };

    forgotten().await;
    let fresh = client.events(path, &[], until_the_end).await;
    assert_eq!(names(&fresh), ["completed"]);
    forgotten().await;
    let late = client.events(path, &[("last-event-id", "00000000000000000-1")], until_the_end).await;
    assert_eq!(names(&late), ["reset", "completed"]);
    forgotten().await;
    let last = &late.last().unwrap().id;
    assert_eq!(client.send(Method::GET, path, &[("last-event-id", last)], Bytes::new()).await.status, 204);
}

#[tokio::test]
async fn the_models_are_listed_with_kind_price_and_limits() {
    let gateway = Gateway::start(|_| {}).await;
    let models = gateway.http().get("/api/models").await.data();
    let find = |name: &str| models.as_array().unwrap().iter().find(|model| model["name"] == name).cloned().unwrap();
    assert_eq!(models.as_array().unwrap().len(), 21);
    let ltx = find("comfyui/ltx");
    assert_eq!(ltx["kind"], "video");
    assert_eq!(ltx["price"], json!({ "amount": 0.4, "currency": "credits", "per": "second" }));
    assert_eq!(ltx["limits"], json!({ "durations": [5], "requiredReferences": ["source"] }));
    assert_eq!(find("comfyui/flux")["kind"], "image");
}

#[tokio::test]
async fn health_and_metrics_are_plain() {
    let gateway = Gateway::start(|_| {}).await;
    finished_picture(&gateway.guest().await).await;
    let health = gateway.http().get("/healthz").await;
    assert_eq!((health.status.as_u16(), &health.json()["status"]), (200, &json!("ok")));
    let metrics = gateway.http().get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn a_gateway_that_drains_ends_streams_at_a_border_and_then_itself() {
    let gateway = Gateway::start_with(slowly(Duration::from_secs(60)), |_| {}).await;
    let client = gateway.guest().await;
    let job = picture(&client).await;
    let mut stream = client.open(Method::GET, link(&job, "events"), &[], Bytes::new()).await.into_body();
    let mut text = String::new();
    while !text.contains("event: queued") {
        let data = stream.frame().await.expect("an event").expect("a line that stands").into_data().expect("data");
        text.push_str(str::from_utf8(&data).expect("text"));
    }
    gateway.drain().await.expect("a drained gateway ends well");
    let rest = stream.collect().await.expect("an end in good order").to_bytes();
    text.push_str(str::from_utf8(&rest).expect("text"));
    assert!(text.ends_with("\n\n"), "{text:?}");
    assert_eq!(text.matches("retry: ").count(), 2, "{text}");
}
