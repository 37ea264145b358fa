//! A job that is asked for with an idempotency key starts once, whatever its caller does.

use std::time::Duration;

use buttress_tests::http::{Answer, Event, Http};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use superduperai_sim::{Fault, Then};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::Gateway;

const IMAGES: &str = "/api/v1/file/generate-image";

async fn image(client: &Http, key: &str) -> Answer {
    boat(&client.clone().with("idempotency-key", key)).await
}

async fn boat(client: &Http) -> Answer {
    client.post("/api/images", &json!({ "prompt": "a paper boat" })).await
}

fn is_replay(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}

/// So many equal requests at once, each with a connection of its own: the key is taken, or the answer is there.
async fn equal(client: &Http, requests: usize) -> Vec<Answer> {
    let mut asking = JoinSet::new();
    for i in 0..requests {
        // Half of them quote it.
        let key = if i % 2 == 0 { "k1" } else { "\"k1\"" };
        let client = client.clone();
        asking.spawn(async move { image(&client, key).await });
    }
    let answers = asking.join_all().await;
    for answer in &answers {
        match answer.status.as_u16() {
            202 => {}
            409 => {
                assert_eq!(answer.failure().1, "idempotency_in_progress");
                assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
                assert_eq!(answer.error()["retryable"], true);
            }
            other => panic!("{other}: {answer:?}"),
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_equal_requests_at_once_start_one_job() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    client.get("/api/models").await;
    gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, Then::Delay(Duration::from_millis(200))));
    let answers = equal(&client, 500).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 202 && !is_replay(answer)).count(), 1);
    assert_eq!(gateway.sim().jobs().len(), 1);
    let again = image(&client, "k1").await;
    assert!(again.status == 202 && is_replay(&again));
    assert_eq!(gateway.sim().jobs().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_equal_requests_start_one_job_also_when_the_first_one_leaves() {
    let gateway = Gateway::start(|_| {}).await;
    gateway.guest().await.get("/api/models").await;
    for (before, millis) in [0, 1, 2, 4, 8, 16, 32, 64].into_iter().enumerate() {
        let cookie = gateway.http().get("/").await.cookie();
        let client = gateway.http().with("cookie", &cookie);
        gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, Then::Delay(Duration::from_millis(30))));
        let first = async {
            let mut connection = TcpStream::connect(gateway.addr()).await.expect("it accepts");
            connection.write_all(&raw(&cookie)).await.expect("a request");
            sleep(Duration::from_millis(millis)).await;
        };
        let ((), _) = tokio::join!(first, equal(&client, 499));
        let (jobs, answer) = settled(&gateway, &client).await;
        assert_eq!((jobs, answer.status.as_u16(), is_replay(&answer)), (before + 1, 202, true), "left after {millis} ms");
        gateway.sim().clear_faults();
    }
}

#[tokio::test]
async fn a_replay_points_to_the_same_job_and_its_events_resume() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let first = image(&client, "k1").await;
    let again = image(&client, "k1").await;
    assert_eq!((first.status, again.status), (StatusCode::ACCEPTED, StatusCode::ACCEPTED));
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("location"), again.header("location"));
    assert!(is_replay(&again) && !is_replay(&first));
    assert_ne!(first.header("x-correlation-id"), again.header("x-correlation-id"), "it is the new request's");
    let job = again.data();
    let events = client.events(job["links"]["events"].as_str().unwrap(), &[], |_: &[Event]| false).await;
    assert_eq!(events.last().unwrap().name, "completed");
    // Without a key each press is a job of its own.
    boat(&client).await;
    boat(&client).await;
    assert_eq!(gateway.sim().jobs().len(), 3);
}

#[tokio::test]
async fn the_codes_are_those_of_the_contract() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    image(&client, "k1").await;
    let other = client.clone().with("idempotency-key", "k1");
    let other = other.post("/api/images", &json!({ "prompt": "a paper bird" })).await;
    assert_eq!(other.failure(), (422, "idempotency_mismatch".into()));
    assert_eq!(other.error()["retryable"], false);
    for bad in ["\"k1", "a b", &"k".repeat(256)] {
        let answer = image(&client, bad).await;
        assert_eq!(answer.failure(), (400, "idempotency_key_invalid".into()), "{bad}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
    let two = client.clone().with("idempotency-key", "k2").with("x-idempotency-key", "k2");
    assert_eq!(boat(&two).await.failure().1, "idempotency_key_invalid");
    let old = client.clone().with("x-idempotency-key", "k1");
    assert!(is_replay(&boat(&old).await));
    let problem = client.clone().with("accept", "application/problem+json").with("idempotency-key", "a b");
    let problem = boat(&problem).await;
    assert_eq!((problem.status.as_u16(), problem.json()["code"].as_str()), (400, Some("idempotency_key_invalid")));
    assert_eq!(gateway.sim().jobs().len(), 1);
}

#[tokio::test]
async fn keys_are_per_user() {
    let keys = || [("alice".to_owned(), "alice-key".into()), ("bob".to_owned(), "bob-key".into())].into();
    let gateway = Gateway::start(|settings| settings.api_keys = keys()).await;
    let (alice, bob) = (
        gateway.http().with("authorization", "Bearer alice-key"),
        gateway.http().with("authorization", "Bearer bob-key"),
    );
    let (first, second) = (image(&alice, "k1").await, image(&bob, "k1").await);
    assert!(!is_replay(&first) && !is_replay(&second));
    assert_ne!(first.data()["jobId"], second.data()["jobId"]);
    assert!(is_replay(&image(&alice, "k1").await));
    let nobody = gateway.http().with("authorization", "Bearer mallory");
    assert_eq!(image(&nobody, "k1").await.failure(), (401, "unauthorized".into()));
    // One who just came is somebody new each time, until he keeps his cookie.
    let guest = image(&gateway.http(), "k1").await;
    assert!(guest.headers.contains_key("set-cookie") && !is_replay(&guest));
    let known = gateway.http().with("cookie", &guest.cookie());
    let again = image(&known, "k1").await;
    assert!(is_replay(&again) && !again.headers.contains_key("set-cookie"));
    assert_eq!(again.data(), guest.data());
}

#[tokio::test]
async fn what_started_no_job_leaves_its_key_free() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    client.get("/api/models").await;
    let keyed = client.clone().with("idempotency-key", "k1");
    assert_eq!(keyed.post("/api/images", &json!({ "prompt": "" })).await.status, 422);
    assert_eq!(keyed.post_raw("/api/images", "application/json", "{").await.status, 400);
    assert_eq!(keyed.post_raw("/api/images", "text/plain", "x").await.status, 415);
    let long = keyed.post_raw("/api/images", "application/json", "x".repeat(70_000)).await;
    assert_eq!(long.failure(), (413, "payload_too_large".into()));
    for (theirs, ours) in [(503, 503), (401, 502), (402, 502), (400, 502), (524, 504)] {
        let status = StatusCode::from_u16(theirs).unwrap();
        gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, superduperai_sim::Answer::new(status)));
        assert_eq!(image(&client, "k1").await.status, ours, "{theirs}");
    }
    let answer = image(&client, "k1").await;
    assert!(answer.status == 202 && !is_replay(&answer), "{answer:?}");
    assert_eq!(gateway.sim().jobs().len(), 1);
}

#[tokio::test]
async fn a_job_of_which_nobody_knows_is_never_started_again() {
    let gateway = Gateway::start(|settings| {
        (settings.attempt_timeout, settings.provider_timeout) = (Duration::from_secs(1), Duration::from_secs(5));
    })
    .await;
    let client = gateway.guest().await;
    client.get("/api/models").await;
    // The answer is lost, and so is every look at the list.
    gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, Then::DropBefore));
    gateway.sim().add_fault(Fault::new(Method::GET, "/api/v1/file", StatusCode::BAD_GATEWAY).times(100));
    assert_eq!(image(&client, "k1").await.failure(), (409, "operation_uncertain".into()));
    gateway.sim().clear_faults();
    let again = image(&client, "k1").await;
    assert_eq!(again.failure(), (409, "operation_uncertain".into()));
    assert_eq!(again.error()["retryable"], false);
    assert_eq!(gateway.sim().jobs().len(), 1, "it had started after all");
}

#[tokio::test]
async fn the_key_for_the_provider_is_one_for_each_operation_and_its_jobs_are_known_by_it() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    for key in ["k1", "k2"] {
        // Refused for now, so that the same operation is tried again: with the same key.
        gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(image(&client, key).await.status, 503);
        assert_eq!(image(&client, key).await.status, 202);
    }
    boat(&client).await;
    boat(&client).await;
    let calls = gateway.sim().requests().into_iter().filter(|request| request.path == IMAGES);
    let seed = |body: &str| serde_json::from_str::<Value>(body).ok()?["config"]["seed"].as_u64();
    let seeds: Vec<_> = calls.map(|call| seed(&call.body).expect("a seed")).collect();
    assert_eq!(seeds.len(), 6);
    assert!(seeds[0] == seeds[1] && seeds[2] == seeds[3], "{seeds:?}");
    let mut different = vec![seeds[0], seeds[2], seeds[4], seeds[5]];
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 4, "{seeds:?}");
}

#[tokio::test]
async fn an_answer_is_replayed_for_as_long_as_was_set() {
    let gateway = Gateway::start(|settings| settings.idempotency_ttl = Duration::from_secs(1)).await;
    let client = gateway.guest().await;
    assert_eq!(image(&client, "k1").await.status, 202);
    let deadline = Instant::now() + Duration::from_secs(20);
    let expired = loop {
        let answer = image(&client, "k1").await;
        if answer.status == 409 {
            break answer;
        }
        assert!(is_replay(&answer) && Instant::now() < deadline);
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(expired.failure(), (409, "result_expired".into()));
    assert_eq!(gateway.sim().jobs().len(), 1);
}

/// The bytes of a request with a key, as a client writes them.
fn raw(cookie: &str) -> Vec<u8> {
    let body = json!({ "prompt": "a paper boat" }).to_string();
    let head = format!(
        "POST /api/images HTTP/1.1\r\nhost: gateway\r\ncookie: {cookie}\r\nidempotency-key: k1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// What is at the provider, and what the same request gets, once nothing goes on any more.
async fn settled(gateway: &Gateway, client: &Http) -> (usize, Answer) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = image(client, "k1").await;
        if answer.status != 409 {
            return (gateway.sim().jobs().len(), answer);
        }
        assert_eq!(answer.failure().1, "idempotency_in_progress");
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn wherever_in_its_request_or_after_it_the_first_caller_leaves_one_job_starts() {
    let gateway = Gateway::start(|_| {}).await;
    gateway.guest().await.get("/api/models").await;
    let mut before = 0;
    let len = raw("guest=x").len();
    // In the middle of the head, of the body, at its end; and then after so many milliseconds.
    let cuts = [1, 40, len / 2, len - 10, len - 1].map(|bytes| (Some(bytes), 0));
    let leaves = [0, 1, 2, 3, 5, 8, 12, 20, 40, 80].map(|millis| (None, millis));
    for (bytes, millis) in cuts.into_iter().chain(leaves) {
        let cookie = gateway.http().get("/").await.cookie();
        let client = gateway.http().with("cookie", &cookie);
        let request = raw(&cookie);
        gateway.sim().add_fault(Fault::new(Method::POST, IMAGES, Then::Delay(Duration::from_millis(30))));
        let mut connection = TcpStream::connect(gateway.addr()).await.unwrap();
        connection.write_all(&request[..bytes.unwrap_or(request.len())]).await.unwrap();
        sleep(Duration::from_millis(millis)).await;
        drop(connection);
        let (jobs, answer) = settled(&gateway, &client).await;
        assert_eq!((jobs, answer.status.as_u16()), (before + 1, 202), "left after {bytes:?} bytes, {millis} ms");
        before = jobs;
        gateway.sim().clear_faults();
    }
}

#[tokio::test]
async fn wherever_in_its_answer_the_first_caller_leaves_it_is_replayed() {
    let gateway = Gateway::start(|_| {}).await;
    gateway.guest().await.get("/api/models").await;
    for bytes in (1..500).step_by(29) {
        let before = gateway.sim().jobs().len();
        let cookie = gateway.http().get("/").await.cookie();
        let client = gateway.http().with("cookie", &cookie);
        let mut connection = TcpStream::connect(gateway.addr()).await.unwrap();
        connection.write_all(&raw(&cookie)).await.unwrap();
        timeout(Duration::from_secs(20), connection.read_exact(&mut vec![0; bytes])).await.unwrap().unwrap();
        drop(connection);
        let (jobs, answer) = settled(&gateway, &client).await;
        assert_eq!((jobs, answer.status.as_u16(), is_replay(&answer)), (before + 1, 202, true), "after {bytes} bytes");
    }
}

#[tokio::test]
async fn an_upload_with_a_key_is_sent_on_once() {
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await.with("idempotency-key", "k1");
    let form = [
        &b"--X\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"[..],
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\r\n--X--\r\n",
    ]
    .concat();
    let send = || client.post_raw("/api/uploads", "multipart/form-data; boundary=X", form.clone());
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201), "{first:?}");
    assert!(is_replay(&again) && first.body == again.body);
    let uploads = gateway.sim().requests().into_iter().filter(|request| request.path == "/api/v1/file/upload");
    assert_eq!(uploads.count(), 1);
}

#[tokio::test]
async fn uploads_with_keys_share_a_budget_and_one_too_many_is_told_to_come_back() {
    const PART: &str = "--X\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    const LONG: usize = 45_000_000;
    let gateway = Gateway::start(|_| {}).await;
    let client = gateway.guest().await;
    let mut begun = Vec::new();
    for key in 0..5 {
        let mut connection = TcpStream::connect(gateway.addr()).await.unwrap();
        let head = format!(
            "POST /api/uploads HTTP/1.1\r\nhost: gateway\r\nidempotency-key: k{key}\r\n\
             content-type: multipart/form-data; boundary=X\r\ncontent-length: {}\r\n\r\n{PART}",
            LONG + 100
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(&vec![b'x'; LONG]).await.unwrap();
        begun.push(connection);
    }
    let client = client.with("idempotency-key", "one-too-many");
    let deadline = Instant::now() + Duration::from_secs(20);
    let upload = async |client: &Http| {
        let body = [PART.as_bytes(), &vec![b'x'; LONG], b"\r\n--X--\r\n"].concat();
        client.post_raw("/api/uploads", "multipart/form-data; boundary=X", body).await
    };
    let refused = loop {
        let answer = upload(&client).await;
        if answer.status == 503 {
            break answer;
        }
        // Until the others have all arrived there is room for what is no picture.
        assert_eq!(answer.failure().1, "validation_failed");
        assert!(Instant::now() < deadline, "the others have arrived");
    };
    assert_eq!(refused.failure(), (503, "unavailable".into()));
    assert!(refused.error()["retryable"] == true && !refused.header("retry-after").is_empty());
    // What starts a job has room of its own, and whoever leaves makes room.
    assert_eq!(image(&client, "a-picture").await.status, 202);
    drop(begun);
    let deadline = Instant::now() + Duration::from_secs(20);
    while upload(&client).await.status == 503 {
        assert!(Instant::now() < deadline, "the others have left");
    }
}
