//! Clients that nobody here wrote, and our own, follow a job through heartbeats and over a line that is cut in the middle
//! of events: each gets every event once and in order, and is told when to stop.

use std::{convert::Infallible, future::pending, path::PathBuf, process::Stdio, time::Duration};

use buttress_sse::{EventSource, Signal};
use buttress_tests::{
    clients,
    http::{Event, Http, PATIENCE},
    program,
    proxy::Proxy,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    process::Command,
    time::{sleep, timeout},
};

use super::Gateway;

const KEY: &str = "alice-key";

/// In which of its events each of a client's lines is cut. They carry more events than the job has before it is let
/// finish: the others are heartbeats.
const CUTS: [usize; 4] = [1, 6, 2, 9];

/// A job, and the line that leads to its events.
struct Job {
    gateway: Gateway,
    proxy: Proxy,
    path: String,
}

impl Job {
    async fn start() -> Self {
        let slow = superduperai_sim::Settings::default().step(Duration::from_secs(4));
        let gateway = Gateway::start_with(slow, |settings| {
            settings.api_keys = vec![("alice".to_owned(), KEY.into())];
            settings.heartbeat = Duration::from_millis(50);
        });
        let gateway = gateway.await;
        let job = alice(&gateway).post("/api/images", &json!({ "prompt": "a boat in a storm" })).await.data();
        let path = job["links"]["events"].as_str().expect("a job has links").to_owned();
        let proxy = Proxy::start(gateway.addr()).await;
        proxy.cut_within(&CUTS);
        Self { gateway, proxy, path }
    }

    fn url(&self) -> String {
        format!("{}{}", self.proxy.url(), self.path)
    }

    /// What a client comes to that ends by itself, with a job that may finish once all cuts are made.
    async fn until_it_ends<T>(&self, client: impl Future<Output = T>) -> T {
        let finish = async {
            while self.proxy.cuts_to_come() > 0 {
                sleep(Duration::from_millis(20)).await;
            }
            self.gateway.sim().change(|settings| settings.step(Duration::from_millis(40)));
            pending::<Infallible>().await
        };
        tokio::select! {
            ended = timeout(PATIENCE * 2, client) => ended.expect("it ends within the time"),
            never = finish => match never {},
        }
    }

    /// That a client which has ended by itself got all that there was.
    async fn check(&self, heard: Vec<Event>) {
        assert_eq!(self.proxy.cuts_to_come(), 0, "{heard:?}");
        let (beats, events): (Vec<_>, Vec<_>) = heard.into_iter().partition(|event| event.name == "heartbeat");
        assert!(beats.len() >= 3, "{beats:?}");
        let published = alice(&self.gateway).events(&self.path, &[], |_| false).await;
        assert_eq!(events, published);
        assert_eq!(published.last().expect("events").name, "completed");
    }

    /// Runs a program with the address and the key as its last arguments, until it ends by itself.
    async fn follow_with(&self, command: &mut Command, install: &str) {
        command.args([&self.url(), KEY]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = program::start(command, install);
        let (mut stdout, mut printed) = (child.stdout.take().expect("piped"), String::new());
        let ended = self.until_it_ends(async {
            stdout.read_to_string(&mut printed).await.expect("text");
            child.wait().await.expect("a status")
        });
        let status = ended.await;
        assert!(status.success(), "{status}: {printed}\n{install}");
        self.check(printed.lines().map(event).collect()).await;
    }
}

fn alice(gateway: &Gateway) -> Http {
    gateway.http().with("authorization", &format!("Bearer {KEY}"))
}

/// From a line that the programs print.
fn event(line: &str) -> Event {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |name: &str| event[name].as_str().unwrap_or_else(|| panic!("{name} in {line}")).to_owned();
    Event { name: text("type"), id: text("id"), data: text("data") }
}

fn script(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "clients", name].iter().collect()
}

// SSE-46
#[tokio::test]
async fn curl_in_a_loop_gets_each_event_once() {
    let mut bash = Command::new(script("curl.sh"));
    Job::start().await.follow_with(&mut bash, "Install curl: apt-get install -y bash curl").await;
}

// SSE-46
#[tokio::test]
async fn the_eventsource_of_npm_gets_each_event_once() {
    let mut node = Command::new("node");
    node.arg(script("eventsource.cjs")).env("NODE_PATH", clients::folder().join("node_modules"));
    Job::start().await.follow_with(&mut node, clients::INSTALL).await;
}

// SSE-46
#[tokio::test]
async fn httpx_sse_of_python_gets_each_event_once() {
    let mut python = Command::new(clients::folder().join("venv/bin/python"));
    python.arg(script("httpx_client.py"));
    Job::start().await.follow_with(&mut python, clients::INSTALL).await;
}

// SSE-21, SSE-46
#[tokio::test]
async fn our_own_client_gets_each_event_once() {
    let job = Job::start().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::get(job.url()).header("authorization", format!("Bearer {KEY}"));
    let source = EventSource::new(client, request.body(Full::default()).expect("a request"));
    let heard = source.filter_map(async |signal| match signal.expect("no refusal") {
        Signal::Message(message) => Some(Event::from(&message)),
        _ => None,
    });
    job.check(job.until_it_ends(heard.collect()).await).await;
}
