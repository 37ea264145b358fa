//! How connections are opened, kept and ended.

use std::time::Duration;

use buttress_tests::http::{Http, PATIENCE};
use gateway_common::Settings;
use http::Method;
use serde_json::json;
use superduperai_sim::{Fault, Then};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::Gateway;

/// Sends bytes and reads on until the gateway ends the connection; the time that took.
async fn until_closed(gateway: &Gateway, bytes: &str) -> (String, Duration) {
    let mut connection = TcpStream::connect(gateway.addr()).await.expect("a connection");
    connection.write_all(bytes.as_bytes()).await.expect("it takes bytes");
    let (mut text, since) = (Vec::new(), Instant::now());
    // A reset is an end too.
    let _ = timeout(PATIENCE, connection.read_to_end(&mut text)).await.expect("the gateway ends it");
    (String::from_utf8_lossy(&text).into_owned(), since.elapsed())
}

fn impatient(settings: &mut Settings) {
    settings.header_timeout = Duration::from_millis(200);
}

#[tokio::test]
async fn a_connection_that_sends_half_a_head_is_closed() {
    let gateway = Gateway::start(impatient).await;
    for half in ["", "G", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nhost: x\r\n", "GET / HTTP/1.1\r\nx: "] {
        let (answer, took) = until_closed(&gateway, half).await;
        assert!(!answer.contains("200 OK") && took >= Duration::from_millis(200), "{half:?}: {answer:?} in {took:?}");
    }
    // Also where a whole request came before.
    let (answer, _) = until_closed(&gateway, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n").await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
    // Settings of HTTP/2, and never a request.
    until_closed(&gateway, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
}

#[tokio::test]
async fn an_address_without_a_path_is_none() {
    let gateway = Gateway::start(|_| {}).await;
    let (answer, _) = until_closed(&gateway, "CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("\"not_found\""), "{answer}");
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_head() {
    let slow = superduperai_sim::Settings::default().step(Duration::from_millis(250));
    let gateway = Gateway::start_with(slow, impatient).await;
    for http in [gateway.http(), Http::over_http2(gateway.url())] {
        let guest = http.with("cookie", &gateway.http().get("/").await.cookie());
        let since = Instant::now();
        let job = guest.post("/api/images", &json!({ "prompt": "a boat" })).await.data();
        let events = guest.events(job["links"]["events"].as_str().unwrap(), &[], |_| false).await;
        assert_eq!(events.last().unwrap().name, "completed");
        assert!(since.elapsed() > Duration::from_millis(400));
    }
}

#[tokio::test]
async fn what_runs_is_finished_before_the_end_and_nothing_new_begins() {
    let slow = superduperai_sim::Settings::default().step(Duration::from_secs(60));
    for http2 in [false, true] {
        let gateway = Gateway::start_with(slow.clone(), |_| {}).await;
        let client = if http2 { Http::over_http2(gateway.url()) } else { gateway.http() };
        let guest = client.with("cookie", &gateway.http().get("/").await.cookie());
        let job = guest.post("/api/images", &json!({ "prompt": "a boat" })).await.data();
        let path = job["links"]["events"].as_str().unwrap().to_owned();
        let stream = tokio::spawn({
            let guest = guest.clone();
            async move { guest.get(&path).await }
        });
        let late = Then::Delay(Duration::from_millis(600));
        gateway.sim().add_fault(Fault::new(Method::POST, "/api/v1/file/generate-image", late));
        let running = tokio::spawn({
            let guest = guest.clone();
            async move { guest.post("/api/images", &json!({ "prompt": "a late boat" })).await }
        });
        let asked = |gateway: &Gateway| {
            gateway.sim().requests().iter().filter(|request| request.path.ends_with("generate-image")).count()
        };
        while asked(&gateway) < 2 {
            sleep(Duration::from_millis(5)).await;
        }
        let addr = gateway.addr();
        gateway.drain().await.expect("it ends well");
        assert_eq!(running.await.unwrap().status, 202, "HTTP/2: {http2}");
        let stream = stream.await.unwrap().body;
        assert!(stream.ends_with(b"\n\n") && stream.windows(6).any(|text| text == b"queued"), "{stream:?}");
        assert!(TcpStream::connect(addr).await.is_err(), "nobody listens any more");
    }
}

#[tokio::test]
async fn what_does_not_finish_within_the_grace_time_is_cut_off() {
    let gateway = Gateway::start(|settings| settings.shutdown_grace = Duration::from_millis(300)).await;
    let mut stuck = TcpStream::connect(gateway.addr()).await.unwrap();
    let head = "POST /api/images HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stuck.write_all(head.as_bytes()).await.unwrap();
    // One that waits for its next request goes at once.
    let mut idle = TcpStream::connect(gateway.addr()).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    let since = Instant::now();
    timeout(PATIENCE, gateway.drain()).await.expect("the grace time is short").expect("it ends well");
    assert!(since.elapsed() >= Duration::from_millis(300));
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stuck.read_to_end(&mut rest)).await.expect("it is cut off");
    assert!(rest.is_empty(), "{rest:?}");
    let _ = timeout(PATIENCE, idle.read_to_end(&mut rest)).await.expect("it is closed");
}
