//! Whatever the host, and over HTTP/1.1 as over HTTP/2, the same requests get the same answers, byte by byte: dates, ids
//! and the order of headers aside.

use buttress_tests::{
    Axum, Hosted, Hyper, Warp,
    http::{Answer, Http},
};
use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::neutral::Neutral;

/// What a client saw of one answer.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    asked: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Asks one gateway after the other the same, and writes down what it answers.
struct Witness {
    http: Http,
    neutral: Neutral,
    seen: Vec<Seen>,
}

impl Witness {
    async fn ask(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        let answer = self.http.send(method.clone(), path, headers, body.into()).await;
        let mut lines: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| !["date", "transfer-encoding", "connection", "keep-alive"].contains(&name.as_str()))
            .map(|(name, value)| {
                (name.to_string(), self.neutral.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes())))
            })
            .collect();
        lines.sort();
        let body = match path {
            // It counts for the whole process.
            "/metrics" => String::new(),
            _ => self.neutral.text(&told(&answer)),
        };
        if body.contains("time") || path == "/metrics" {
            lines.retain(|(name, _)| name != "content-length");
        }
        let asked = self.neutral.text(&format!("{method} {path} {headers:?}"));
        self.seen.push(Seen { asked, status: answer.status.as_u16(), headers: lines, body });
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, &[("content-type", "application/json")], body.to_owned()).await
    }
}

/// The body of an answer. How many steps of a job are seen is a matter of chance: they are left out of streams.
fn told(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    if !answer.header("content-type").starts_with("text/event-stream") {
        return body;
    }
    let blocks = body.split_inclusive("\n\n").filter(|block| !block.contains("event: progress\n"));
    blocks.map(|block| block.lines().filter(|line| !line.starts_with("id:")).collect::<Vec<_>>().join("\n")).collect()
}

const ADDRESSES: [&str; 12] = [
    "/",
    "/assets/page.js",
    "/api/images",
    "/api/videos",
    "/api/uploads",
    "/api/models",
    "/api/jobs/none",
    "/api/jobs/none/result",
    "/api/jobs/none/events",
    "/openapi.json",
    "/healthz",
    "/metrics",
];

const NOWHERE: [&str; 19] = [
    "/assets/nothing",
    "/assets/",
    "/assets/%ff",
    "/api",
    "/api/",
    "/api/images/",
    "//api/images",
    "/api//images",
    "/api/jobs",
    "/api/jobs/",
    "/api/jobs//result",
    "/api/jobs//events",
    "/api/jobs/%2e%2e",
    "/api/jobs/%ff/result",
    "/api/jobs/%zz/events",
    "/api/jobs/a%20b",
    "/api/jobs/none/other",
    "/api/jobs/none/result/",
    "/API/models?x=%ff",
];

async fn every_method_at_every_address(witness: &mut Witness) {
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"];
    for path in ADDRESSES.into_iter().chain(NOWHERE) {
        for method in methods {
            witness
                .ask(Method::from_bytes(method.as_bytes()).expect("what the contract promises"), path, &[], "")
                .await;
        }
        witness.ask(Method::GET, path, &[("accept", "application/problem+json")], "").await;
        witness.ask(Method::GET, path, &[("accept", "image/png")], "").await;
    }
    for path in ["/assets/events.js", "/assets/page.css"] {
        witness.get(path).await;
    }
}

async fn bodies_that_are_not_taken(witness: &mut Witness) {
    let long = format!(r#"{{"prompt":"{}"}}"#, "x".repeat(4_001));
    let bodies = ["", "{", "null", "[]", "{}", r#"{"prompt":1}"#, r#"{"prompt":"a","x":1}"#, "\u{feff}{}", &long];
    for body in bodies {
        witness.post("/api/images", body).await;
        witness.post("/api/videos", body).await;
    }
    let types = ["", "text/plain", "application/json; charset=utf-8", "multipart/form-data", "image/png"];
    for media_type in types {
        for path in ["/api/images", "/api/uploads"] {
            witness.ask(Method::POST, path, &[("content-type", media_type)], "{}").await;
        }
    }
    let form =
        |part: &str| format!("--X\r\nContent-Disposition: form-data; name=\"{part}\"\r\n\r\n<html>\r\n--X--\r\n");
    let multipart = [("content-type", "multipart/form-data; boundary=X")];
    for body in [form("file"), form("picture"), "--X--\r\n".into(), "nonsense".into()] {
        witness.ask(Method::POST, "/api/uploads", &multipart, body).await;
    }
    let huge = format!(r#"{{"prompt":"{}"}}"#, "x".repeat(65_600));
    witness.post("/api/images", &huge).await;
}

async fn a_picture_and_a_video(witness: &mut Witness) {
    let form = "--X\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nGIF89a\x01\0\x01\0\0\0\0;\r\n--X--\r\n";
    let multipart = [("content-type", "multipart/form-data; boundary=X")];
    let uploaded = witness.ask(Method::POST, "/api/uploads", &multipart, form).await.data();
    let file = uploaded["fileId"].as_str().expect("what the contract promises");
    let picture = witness.post("/api/images", r#"{"prompt":"a boat","width":320,"height":240}"#).await.data();
    followed(witness, &picture).await;
    let video = format!(r#"{{"prompt":"it sails","image":"{file}"}}"#);
    let video = witness.post("/api/videos", &video).await.data();
    followed(witness, &video).await;
}

async fn followed(witness: &mut Witness, job: &Value) {
    let link = |name: &str| job["links"][name].as_str().expect("what the contract promises").to_owned();
    let stream = witness.get(&link("events")).await;
    let stream = String::from_utf8(stream.body.to_vec()).expect("what the contract promises");
    let last = stream.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("what the contract promises");
    witness.get(&link("self")).await;
    witness.get(&link("result")).await;
    for method in [Method::GET, Method::HEAD] {
        for cursor in [last, "x", "00000000000000000-1", ""] {
            witness.ask(method.clone(), &link("events"), &[("last-event-id", cursor)], "").await;
        }
        witness.ask(method.clone(), &format!("{}?lastEventId={last}", link("events")), &[], "").await;
        witness.ask(method, &format!("{}?lastEventId=%ff", link("events")), &[], "").await;
    }
}

/// All that a host is asked, on a gateway of its own.
async fn heard<H: buttress_tests::Host>(http2: bool) -> Vec<Seen> {
    let keys = vec![("alice".to_owned(), "alice-key-of-some-length".into())];
    let gateway = Hosted::<H>::start(|settings| {
        settings.api_keys = keys;
        // Enough for all, and nothing comes back in the meantime.
        settings.ip_limit = Some("1000/8000h".parse().expect("a quota"));
    })
    .await;
    let http = if http2 { Http::over_http2(gateway.url()) } else { gateway.http() };
    let http = http.with("x-correlation-id", "fixed");
    let alice = http.clone().with("authorization", "Bearer alice-key-of-some-length");
    let mut witness = Witness { http: alice, neutral: Neutral::default(), seen: Vec::new() };
    every_method_at_every_address(&mut witness).await;
    bodies_that_are_not_taken(&mut witness).await;
    a_picture_and_a_video(&mut witness).await;
    // A guest who comes without the page, somebody with a wrong key, and a line that makes no sense.
    witness.http = http.clone();
    witness.get("/").await;
    witness.post("/api/images", r#"{"prompt":"a boat"}"#).await;
    witness.http = http.with("authorization", "Bearer wrong");
    witness.get("/").await;
    witness.get("/api/models").await;
    witness.post("/api/images", "{").await;
    witness.seen
}

#[tokio::test]
async fn the_hosts_answer_alike_over_http_1_and_2() {
    let first = heard::<Axum>(false).await;
    assert!(first.len() > 300, "{}", first.len());
    let rest = [
        ("axum, HTTP/2", heard::<Axum>(true).await),
        ("hyper", heard::<Hyper>(false).await),
        ("hyper, HTTP/2", heard::<Hyper>(true).await),
        ("warp", heard::<Warp>(false).await),
        ("warp, HTTP/2", heard::<Warp>(true).await),
    ];
    let differences = rest.iter().flat_map(|(host, heard)| {
        let pairs = heard.iter().zip(&first).filter(|(theirs, ours)| theirs != ours);
        pairs.map(move |(theirs, ours)| format!("on {host}:\n{theirs:?}\nnot as on axum:\n{ours:?}"))
    });
    let differences: Vec<_> = differences.collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(rest.iter().all(|(_, heard)| heard.len() == first.len()));
}
