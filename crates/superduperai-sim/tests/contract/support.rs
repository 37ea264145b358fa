//! A client, a reader of event streams, and a comparison of shapes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, request::Builder};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use superduperai_sim::{Settings, Simulator};
use tokio::time::{sleep, timeout};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Longer than any test, so that a job never gets anywhere.
pub(crate) const NEVER: Duration = Duration::from_secs(24 * 3600);

/// A simulator and a client of it.
pub(crate) struct Bench {
    pub(crate) sim: Simulator,
    http: Client<HttpConnector, Full<Bytes>>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An open event stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) headers: HeaderMap,
    body: Incoming,
    buffer: BytesMut,
}

/// Settings with steps of 5 ms.
pub(crate) fn quick() -> Settings {
    Settings::default().step(Duration::from_millis(5))
}

pub(crate) async fn bench(settings: Settings) -> Bench {
    Bench { sim: Simulator::start(settings).await.unwrap(), http: Client::builder(TokioExecutor::new()).build_http() }
}

impl Bench {
    pub(crate) async fn try_send(&self, request: Request<Bytes>) -> Result<Reply, Error> {
        let answer = self.http.request(request.map(Full::new)).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (status, headers) = (head.status.as_u16(), head.headers);
        Ok(Reply { status, headers, body })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Builder {
        let token = format!("Bearer {}", self.sim.token());
        let url = format!("{}{path}", self.sim.url());
        let request = Request::builder().method(method).uri(url);
        request.header("authorization", token)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Reply {
        let request = self.request(method, path).body(body.into()).unwrap();
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, body.to_string()).await
    }

    /// What an url of the simulator leads to, without a token.
    pub(crate) async fn fetch(&self, url: &str) -> Reply {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        self.try_send(request).await.unwrap()
    }

    pub(crate) async fn image(&self, config: Value) -> Reply {
        let body = serde_json::json!({ "config": config });
        self.post("/api/v1/file/generate-image", body).await
    }

    pub(crate) async fn video(&self, config: Value) -> Reply {
        let body = serde_json::json!({ "config": config });
        self.post("/api/v1/file/generate-video", body).await
    }

    /// Starts a plain image job, and hands back its file.
    pub(crate) async fn boat(&self) -> Value {
        let reply = self.image(boat()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()[0].clone()
    }

    /// Starts a plain video job, and hands back its file.
    pub(crate) async fn clip(&self) -> Value {
        let name = "google-cloud/veo2-text2video";
        let config = serde_json::json!({ "generation_config_name": name });
        let reply = self.video(config).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    pub(crate) async fn file(&self, id: &Value) -> Value {
        let reply = self.get(&format!("/api/v1/file/{}", text(id))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Polls a file until it has an url or a failed task.
    pub(crate) async fn settled(&self, id: &Value) -> Value {
        let poll = async {
            loop {
                let file = self.file(id).await;
                let failed = file["tasks"][0]["status"] == "error";
                if failed || !file["url"].is_null() {
                    return file;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, poll).await.unwrap()
    }

    /// Opens an event stream, without a token.
    pub(crate) async fn stream(&self, channel: &str) -> Stream {
        let url = format!("{}/api/v1/events/{channel}", self.sim.url());
        let request = Request::get(url).body(Full::default()).unwrap();
        let (head, body) = self.http.request(request).await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        Stream { headers: head.headers, body, buffer: BytesMut::new() }
    }

    pub(crate) async fn stream_of(&self, file: &Value) -> Stream {
        self.stream(&format!("file.{}", text(&file["id"]))).await
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

impl Stream {
    /// The next block up to its empty line; none at the end, an error if the connection broke.
    pub(crate) async fn block(&mut self) -> Result<Option<String>, hyper::Error> {
        loop {
            let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(end) = end {
                let block = self.buffer.split_to(end + 4);
                return Ok(Some(String::from_utf8(block.to_vec()).unwrap()));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => self.buffer.extend(frame?.into_data().unwrap()),
            }
        }
    }

    /// The data of the next event, comments left out.
    pub(crate) async fn data(&mut self) -> String {
        let next = async {
            loop {
                let block = self.block().await.unwrap().unwrap();
                if let Some(data) = block.strip_prefix("data: ") {
                    return data.trim_end().to_owned();
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap()
    }

    pub(crate) async fn event(&mut self) -> Value {
        serde_json::from_str(&self.data().await).unwrap()
    }

    /// Type, and status or whether there is an url, of the next so many events.
    pub(crate) async fn outline(&mut self, count: usize) -> Vec<String> {
        let mut outline = Vec::new();
        for _ in 0..count {
            let event = self.event().await;
            let object = &event["object"];
            outline.push(match text(&event["type"]) {
                "task" => format!("task {}", text(&object["status"])),
                "file" if object["url"].is_string() => "file with url".to_owned(),
                other => other.to_owned(),
            });
        }
        outline
    }

    /// Everything that arrives until the connection ends or breaks, and whether it broke.
    pub(crate) async fn rest(&mut self) -> (Bytes, bool) {
        let rest = async {
            loop {
                match self.body.frame().await {
                    None => return false,
                    Some(Err(_)) => return true,
                    Some(Ok(frame)) => self.buffer.extend(frame.into_data().unwrap()),
                }
            }
        };
        let broke = timeout(PATIENCE, rest).await.unwrap();
        (self.buffer.split().freeze(), broke)
    }
}

pub(crate) fn boat() -> Value {
    serde_json::json!({
        "prompt": "A paper boat on a calm lake at dawn",
        "generation_config_name": "comfyui/flux",
    })
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Asserts that two values have the same members of the same types throughout.
pub(crate) fn assert_shape(actual: &Value, fixture: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    compare("", actual, &fixture);
}

fn compare(at: &str, actual: &Value, expected: &Value) {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            let (has, wants): (Vec<_>, Vec<_>) = (actual.keys().collect(), expected.keys().collect());
            assert_eq!(has, wants, "members at `{at}`");
            for (name, value) in actual {
                compare(&format!("{at}/{name}"), value, &expected[name]);
            }
        }
        (Value::Array(actual), Value::Array(expected)) => {
            assert_eq!(actual.len(), expected.len(), "items at `{at}`");
            for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
                compare(&format!("{at}/{index}"), actual, expected);
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(actual),
            std::mem::discriminant(expected),
            "type at `{at}`: {actual} is not like {expected}"
        ),
    }
}
