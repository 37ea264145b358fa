//! Scripted faults, from Rust and over HTTP.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use superduperai_sim::{Answer, Fault, Settings, Then};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::support::{Bench, PATIENCE, bench, boat, quick, text};

const IMAGE: &str = "/api/v1/file/generate-image";
const ME: &str = "/api/v1/user/me";

/// Everything that a connection sends in answer to one request, until it is closed.
async fn raw(bench: &Bench, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(bench.sim.addr()).await.unwrap();
    let (token, len) = (bench.sim.token(), body.len());
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: {len}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    answer
}

async fn fault(bench: &Bench, fault: serde_json::Value) {
    let reply = bench.post("/_sim/faults", fault).await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

#[tokio::test]
async fn a_scripted_answer_comes_as_often_as_told_and_nothing_is_done() {
    let bench = bench(quick()).await;
    let then = json!({ "status": 503, "headers": { "retry-after": "1" }, "body": "busy" });
    fault(&bench, json!({ "method": "POST", "path": IMAGE, "times": 2, "then": then })).await;
    for _ in 0..2 {
        let reply = bench.image(boat()).await;
        assert_eq!((reply.status, &reply.body[..]), (503, &b"busy"[..]));
        assert_eq!(reply.header("retry-after"), "1");
    }
    assert!(bench.sim.jobs().is_empty());
    assert_eq!(bench.image(boat()).await.status, 200);
}

#[tokio::test]
async fn a_fault_waits_for_its_method_and_path_alone() {
    let bench = bench(quick()).await;
    let busy = Answer::new(StatusCode::TOO_MANY_REQUESTS).header("retry-after", "3");
    bench.sim.add_fault(Fault::new(Method::GET, "/api/v1/file/*", busy.body("{}")));
    assert_eq!(bench.get(ME).await.status, 200);
    let file = bench.boat().await;
    let path = format!("/api/v1/file/{}", text(&file["id"]));
    assert_eq!(bench.get(&path).await.status, 429);
    assert_eq!(bench.get(&path).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_followed_by_the_real_answer() {
    let bench = bench(Settings::default()).await;
    fault(&bench, json!({ "method": "GET", "path": ME, "then": { "delay": "3s" } })).await;
    let start = Instant::now();
    assert_eq!(bench.get(ME).await.status, 200);
    assert!(start.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn drop_before_does_the_work_and_sends_not_a_byte() {
    let bench = bench(quick()).await;
    fault(&bench, json!({ "method": "POST", "path": IMAGE, "then": { "drop": "before" } })).await;
    let body = json!({ "config": boat() }).to_string();
    assert_eq!(raw(&bench, "POST", IMAGE, &body).await, "");
    assert_eq!(bench.sim.jobs().len(), 1);
}

#[tokio::test]
async fn drop_after_bytes_does_the_work_and_cuts_the_answer() {
    let bench = bench(quick()).await;
    let then = json!({ "drop": "after-bytes", "n": 100 });
    fault(&bench, json!({ "method": "POST", "path": IMAGE, "then": then })).await;
    let body = json!({ "config": boat() }).to_string();
    let answer = raw(&bench, "POST", IMAGE, &body).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert_eq!(body.len(), 100);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert!(length.unwrap().parse::<usize>().unwrap() > 100, "{head}");
    assert_eq!(bench.sim.jobs().len(), 1);
}

#[tokio::test]
async fn an_event_stream_can_be_cut_by_a_fault() {
    let bench = bench(quick().heartbeat(Duration::from_millis(5))).await;
    bench.sim.add_fault(Fault::new(Method::GET, "/api/v1/events/*", Then::DropAfter(30)));
    let mut stream = bench.stream("file.x").await;
    let (bytes, broke) = stream.rest().await;
    assert_eq!((bytes.len(), broke), (30, true));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_request_is_never_answered_and_does_nothing() {
    let bench = bench(Settings::default()).await;
    fault(&bench, json!({ "method": "POST", "path": IMAGE, "then": { "hang": true } })).await;
    let hour = Duration::from_secs(3600);
    assert!(timeout(hour, bench.image(boat())).await.is_err());
    assert!(bench.sim.jobs().is_empty());
    assert_eq!(bench.sim.requests().len(), 1);
}

#[tokio::test]
async fn cleared_faults_do_not_strike() {
    let bench = bench(quick()).await;
    let wait = || Fault::new(Method::GET, ME, StatusCode::INTERNAL_SERVER_ERROR);
    bench.sim.add_fault(wait());
    assert_eq!(bench.delete("/_sim/faults").await.status, 204);
    assert_eq!(bench.get(ME).await.status, 200);
    bench.sim.add_fault(wait().times(5));
    bench.sim.clear_faults();
    assert_eq!(bench.get(ME).await.status, 200);
}

#[tokio::test]
async fn a_bad_fault_is_refused_with_a_reason() {
    let bench = bench(quick()).await;
    let bad = json!({ "method": "GET", "path": ME, "then": { "status": 1000 } });
    let reply = bench.post("/_sim/faults", bad).await;
    assert_eq!(reply.status, 422);
    let reason = "then.status: not a number from 200 to 999";
    assert_eq!(reply.json(), json!({ "detail": reason }));
    assert_eq!(bench.get(ME).await.status, 200);
}
