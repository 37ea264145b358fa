//! A plain HTTP client for the tests: every answer whole, or event by event.

use std::{net::IpAddr, time::Duration};

use buttress_sse::{Decoder, Frame, Message};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::timeout;

/// The longest that any answer, or any event, may take in a test.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body).into_owned();
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, text()))
    }

    /// `data` of a success.
    pub fn data(&self) -> Value {
        let json = self.json();
        assert_eq!(json["ok"], true, "{} {json}", self.status);
        json["data"].clone()
    }

    /// `error` of a failure, after a check that it carries the correlation id of its header.
    pub fn error(&self) -> Value {
        let json = self.json();
        assert_eq!(json["ok"], false, "{} {json}", self.status);
        assert_eq!(json["error"]["correlationId"], self.header("x-correlation-id"));
        json["error"].clone()
    }

    /// Status and code of a failure.
    pub fn failure(&self) -> (u16, String) {
        (self.status.as_u16(), self.error()["code"].as_str().expect("a code").to_owned())
    }

    /// A header as text, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The name and value of the cookie that the answer sets.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

/// One event as a browser sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// The last id at that point.
    pub id: String,
    /// Its data.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {}", self.data))
    }
}

impl From<&Message> for Event {
    fn from(message: &Message) -> Self {
        let text = |text: &str| text.to_owned();
        Self { name: text(message.name()), id: text(message.id()), data: text(message.data()) }
    }
}

/// A client that sends the same headers with every request.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    headers: HeaderMap,
}

impl Http {
    /// A client of the server at `base`.
    pub fn new(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { client, base: base.to_owned(), headers: HeaderMap::new() }
    }

    /// A client that speaks HTTP/2 from the first byte on, without TLS.
    pub fn over_http2(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        Self { client, base: base.to_owned(), headers: HeaderMap::new() }
    }

    /// A client that connects from this address of the machine.
    pub fn from_address(base: &str, own: IpAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some(own));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, base: base.to_owned(), headers: HeaderMap::new() }
    }

    /// Sends a header with every request.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().expect("a header value"));
        self
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_raw(path, "application/json", body.to_string()).await
    }

    /// `POST` of anything.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[("content-type", content_type)], body.into()).await
    }

    /// Any request, its answer read whole.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let (parts, body) = self.open(method, path, headers, body).await.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("a body within the time").expect("a whole body");
        Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() }
    }

    /// The events of a stream, until it ends or `enough` says so. Heartbeats are among them.
    pub async fn events(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        mut enough: impl FnMut(&[Event]) -> bool,
    ) -> Vec<Event> {
        let response = self.open(Method::GET, path, headers, Bytes::new()).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        let (mut body, mut decoder, mut events) = (response.into_body(), Decoder::new(), Vec::new());
        while !enough(&events) {
            let frame = timeout(PATIENCE, body.frame()).await.expect("an event within the time");
            let Some(Ok(frame)) = frame else { break };
            let mut chunk = frame.into_data().unwrap_or_default();
            while let Some(frame) = decoder.decode(&mut chunk).expect("a stream within the limits") {
                if let Frame::Message(message) = frame {
                    events.push(Event::from(&message));
                }
            }
        }
        events
    }

    /// Any request, its answer not read yet.
    pub async fn open(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(body)).expect("a request");
        request.headers_mut().extend(self.headers.clone());
        timeout(PATIENCE, self.client.request(request)).await.expect("an answer within the time").expect("an answer")
    }
}
