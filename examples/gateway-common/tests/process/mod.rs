//! The gateway as a process: what it prints, how it refuses settings, how it ends.

mod sentry;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use super::GATEWAY;

/// A gateway process on a free port; killed when dropped.
struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    addr: String,
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_with(&mut gateway(variables))
    }

    fn start_with(command: &mut Command) -> Self {
        Self::start_at("127.0.0.1:0", command)
    }

    fn start_at(addr: &str, command: &mut Command) -> Self {
        let mut child = command.env("BIND", addr).spawn().expect("the binary of this package");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a first line");
        let addr = line.strip_prefix("listening on http://").expect(&line).trim_end().to_owned();
        Self { child, stdout, addr }
    }

    /// Sends a request over a connection of its own; the connection stays open.
    fn send(&self, request: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.addr).expect("it accepts from its first line on");
        connection.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        connection.write_all(request.as_bytes()).expect("a request");
        connection
    }

    /// Starts the job of a picture, and gives the address of its events.
    fn picture(&self, headers: &str) -> String {
        let created = answer(self.send(&format!(
            "POST /api/images HTTP/1.1\r\n{headers}connection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{PICTURE}",
            PICTURE.len()
        )));
        let path = created.split("\"events\":\"").nth(1).and_then(|rest| rest.split('"').next());
        path.unwrap_or_else(|| panic!("{created}")).to_owned()
    }

    /// Opens an event stream and reads as far as this line.
    fn events(&self, path: &str, headers: &str, last: &str) -> (BufReader<TcpStream>, String) {
        let mut stream = BufReader::new(self.send(&format!("GET {path} HTTP/1.1\r\n{headers}\r\n")));
        let mut seen = String::new();
        while !seen.ends_with(&format!("{last}\n")) {
            assert_ne!(stream.read_line(&mut seen).expect("events"), 0, "{seen}");
        }
        (stream, seen)
    }

    /// Asks it to end, as a service manager does, and gives its status and what else it printed.
    fn terminate(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("a status").code(), rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gateway(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(GATEWAY);
    command.env_clear().envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn answer(connection: TcpStream) -> String {
    let mut text = String::new();
    BufReader::new(connection).read_to_string(&mut text).expect("a whole answer");
    text
}

#[test]
fn the_first_line_says_where_it_listens_and_nothing_else_goes_to_stdout() {
    let gateway = Process::start(&[]);
    let health = answer(gateway.send("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    assert!(health.contains(r#""provider":"simulator""#), "{health}");
    assert_eq!(gateway.terminate(), (Some(0), String::new()));
}

#[test]
fn every_bad_setting_is_told_and_the_status_is_2() {
    let bad =
        [("BIND", "nowhere"), ("SSE_HEARTBEAT", "15"), ("SUPERDUPERAI_TOKEN", "hunter2-hunter2"), ("REDIS_URL", "x")];
    let output = gateway(&bad).stderr(Stdio::piped()).output().expect("the binary of this package");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    for name in ["BIND", "SSE_HEARTBEAT", "SUPERDUPERAI_URL", "REDIS_URL"] {
        assert!(told.contains(&format!("\n  {name}: ")), "{name} in {told}");
    }
    assert!(told.contains("for example SSE_HEARTBEAT=15s") && !told.contains("hunter2"), "{told}");
}

#[test]
fn a_port_that_is_taken_is_told_and_the_status_is_1() {
    let first = Process::start(&[]);
    let output = gateway(&[("BIND", &first.addr)]).stderr(Stdio::piped()).output().expect("the binary");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains(&first.addr), "{told}");
}

// SSE-56
#[test]
fn a_gateway_that_is_told_to_end_closes_its_streams_at_a_border_and_exits_0() {
    let grace = Duration::from_secs(15);
    let gateway = Process::start(&[("SIM_STEP", "60s"), ("API_KEYS", "alice=alice-key"), ("SHUTDOWN_GRACE", "15s")]);
    let path = gateway.picture(ALICE);
    let streams: Vec<_> = (0..8).map(|_| gateway.events(&path, ALICE, "event: queued")).collect();
    let told = Instant::now();
    assert_eq!(gateway.terminate().0, Some(0));
    assert!(told.elapsed() < grace, "{:?}", told.elapsed());

    let waits = streams.into_iter().map(|(mut stream, mut seen)| {
        stream.read_to_string(&mut seen).expect("the rest");
        // The last chunk of a whole answer: it was not cut off.
        let last = seen.strip_suffix("\n\n\r\n0\r\n\r\n").and_then(|events| events.rsplit('\n').next());
        let wait = last.and_then(|line| line.strip_prefix("retry: ")?.parse().ok());
        wait.unwrap_or_else(|| panic!("{seen:?}"))
    });
    let waits: Vec<u64> = waits.collect();
    assert!(waits.iter().all(|wait| (2_000..=4_000).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait != waits[0]), "they all come back at once: {waits:?}");
}

// SSE-47
#[test]
fn whoever_comes_back_to_a_gateway_that_was_started_anew_is_told_of_the_loss() {
    let variables = [("SIM_STEP", "60s"), ("API_KEYS", "alice=alice-key")];
    let before = Process::start(&variables);
    let (addr, path) = (before.addr.clone(), before.picture(ALICE));
    let (_, seen) = before.events(&path, ALICE, "event: queued");
    let cursor = seen.lines().rev().find_map(|line| line.strip_prefix("id: ")).expect("an id before the name");
    assert_eq!(before.terminate().0, Some(0));

    let after = Process::start_at(&addr, &mut gateway(&variables));
    // In memory, a job ends with its gateway: nobody can say any more whose it was.
    let gone = answer(after.send(&format!("GET {path} HTTP/1.1\r\n{ALICE}connection: close\r\n\r\n")));
    assert!(gone.starts_with("HTTP/1.1 404") && gone.contains("not_found"), "{gone}");
    let path = after.picture(ALICE);
    let with_cursor = format!("{ALICE}last-event-id: {cursor}\r\n");
    let (_, seen) = after.events(&path, &with_cursor, "event: queued");
    let names: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["reset", "queued"]);
    assert!(seen.contains("replay-from: earliest"), "{seen}");
    assert_eq!(after.terminate().0, Some(0));
}

const PICTURE: &str = r#"{"prompt":"a"}"#;

const ALICE: &str = "host: x\r\nauthorization: Bearer alice-key\r\n";

/// What the line of a request tells that made a job. `refused_by` and `error_code` belong to failures.
const FILLED: [&str; 16] = [
    "route",
    "method",
    "status",
    "outcome",
    "user_id",
    "provider",
    "cost",
    "cost_currency",
    "retry_count",
    "breaker",
    "idempotency",
    "correlation_id",
    "duration_ms",
    "time_to_first_byte_ms",
    "request_bytes",
    "response_bytes",
];

/// The `request_finished` lines of a gateway that was told to end, by route.
fn request_lines(stderr: impl Read) -> Vec<serde_json::Value> {
    let lines = BufReader::new(stderr).lines().map(|line| line.expect("text"));
    let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).expect(&line));
    lines.filter(|line| line["message"] == "request_finished").collect()
}

#[test]
fn one_line_tells_all_of_a_request() {
    let variables = [("LOG", "json"), ("API_KEYS", "alice=alice-key-of-some-length"), ("SIM_STEP", "300ms")];
    let mut gateway = Process::start_with(gateway(&variables).stderr(Stdio::piped()));
    let stderr = gateway.child.stderr.take().expect("piped");
    let auth = "host: x\r\nauthorization: Bearer alice-key-of-some-length\r\nx-correlation-id: my-request\r\nidempotency-key: my-key\r\nconnection: close\r\n";
    let path = gateway.picture(auth);
    let events = answer(gateway.send(&format!("GET {path} HTTP/1.1\r\n{auth}\r\n")));
    assert!(events.contains("event: completed"), "{events}");
    let refused = answer(gateway.send("GET /api/jobs/none HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert!(refused.contains("404"), "{refused}");
    assert_eq!(gateway.terminate().0, Some(0));

    let lines = request_lines(stderr);
    let line = |route: &str| lines.iter().find(|line| line["route"] == route).unwrap_or_else(|| panic!("{lines:?}"));
    let image = line("/api/images");
    for field in FILLED {
        assert!(!image[field].is_null(), "{field} in {image}");
    }
    for (field, value) in [
        ("method", "POST"),
        ("outcome", "answered"),
        ("user_id", "key:alice"),
        ("provider", "superduperai"),
        ("cost_currency", "credits"),
        ("correlation_id", "my-request"),
        ("breaker", "closed"),
        ("idempotency", "first"),
    ] {
        assert_eq!(image[field], value, "{field} in {image}");
    }
    assert_eq!(
        (image["status"].as_u64(), image["cost"].as_f64(), image["retry_count"].as_u64()),
        (Some(202), Some(1.0), Some(0))
    );
    assert_eq!(image["request_bytes"].as_u64(), Some(PICTURE.len() as u64));
    assert!(image["response_bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{image}");
    let millis = |field: &str| image[field].as_f64().unwrap_or_else(|| panic!("{field} in {image}"));
    assert!(millis("duration_ms") >= millis("time_to_first_byte_ms") && millis("time_to_first_byte_ms") > 0.0);

    let stream = line("/api/jobs/{id}/events");
    assert!(stream["duration_ms"].as_f64().is_some_and(|took| took > 100.0), "written at the end: {stream}");
    let missing = line("/api/jobs/{id}");
    assert_eq!((missing["status"].as_u64(), missing["error_code"].as_str()), (Some(404), Some("not_found")));
}

#[test]
fn log_lines_are_json_when_asked_for() {
    let mut child =
        gateway(&[("BIND", "127.0.0.1:0"), ("LOG", "json")]).stderr(Stdio::piped()).spawn().expect("the binary");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("piped")).read_line(&mut line).expect("a line");
    let _ = child.kill();
    let _ = child.wait();
    let json: serde_json::Value = serde_json::from_str(&line).expect(&line);
    assert!(json["timestamp"].is_string() && json["level"].is_string(), "{line}");
}
