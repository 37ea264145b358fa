//! What arrives at Sentry when a request fails.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::GATEWAY;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server that hands on what it is sent, path and body, and answers each request alike. It ends with the process.
fn server(answer: &'static str) -> (u16, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, received) = channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || {
                let connection = connection.expect("a connection");
                let mut reader = BufReader::new(connection.try_clone().expect("a socket"));
                while let Some(request) = request(&mut reader) {
                    // Nobody may be interested any more.
                    let _ = sender.send(request);
                    (&connection).write_all(answer.as_bytes()).expect("the client waits");
                }
            });
        }
    });
    (port, received)
}

/// A request, or the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let path = lines[0].split(' ').nth(1).expect("a path").to_owned();
    Some((path, String::from_utf8_lossy(&body).into_owned()))
}

/// A gateway process; killed when dropped.
struct Gateway {
    child: Child,
    addr: String,
}

impl Gateway {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(GATEWAY)
            .env_clear()
            .envs([("BIND", "127.0.0.1:0"), ("API_KEYS", "alice=alice-key-of-some-length")])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary of this package");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a first line");
        let addr = line.strip_prefix("listening on http://").expect(&line).trim_end().to_owned();
        Self { child, addr }
    }

    fn get(&self, path: &str, id: &str) -> String {
        let mut connection = TcpStream::connect(&self.addr).expect("it listens");
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let auth = "authorization: Bearer alice-key-of-some-length";
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\n{auth}\r\nx-correlation-id: {id}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next event among what came.
fn event(received: &Receiver<(String, String)>) -> Value {
    loop {
        let (path, envelope) = received.recv_timeout(PATIENCE).expect("an event");
        assert_eq!(path, "/api/42/envelope/");
        // A head for all, then for each item a head and its content, one a line.
        let mut lines = envelope.lines().skip(1);
        while let (Some(head), Some(item)) = (lines.next(), lines.next()) {
            if head.contains(r#""type":"event""#) {
                return serde_json::from_str(item).expect(item);
            }
        }
    }
}

#[test]
fn an_error_arrives_with_what_came_before_it_and_with_nothing_of_others() {
    let (sentry, received) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    let (provider, _asked) = server("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    let gateway = Gateway::start(&[
        ("SENTRY_DSN", &format!("http://public@127.0.0.1:{sentry}/42")),
        ("SUPERDUPERAI_URL", &format!("http://127.0.0.1:{provider}")),
        ("SUPERDUPERAI_TOKEN", "token-of-some-length"),
    ]);
    for id in ["first", "second"] {
        let answer = gateway.get("/api/models", id);
        assert!(answer.starts_with("HTTP/1.1 5"), "{answer}");
        let event = event(&received);
        // An event without a level is an error.
        assert_eq!((&event["level"], &event["tags"]["correlation_id"]), (&Value::Null, &id.into()), "{event}");
        assert_eq!(event["message"], "request_finished", "{event}");
        let crumbs = event["breadcrumbs"]["values"].as_array().expect("breadcrumbs");
        let told: Vec<_> = crumbs.iter().filter_map(|crumb| crumb["message"].as_str()).collect();
        let own = ["retry_scheduled", "retry_scheduled", "retry_gave_up", "provider_error"];
        assert_eq!(told, own, "its own, and nothing of the request before: {event}");
        assert_eq!(event["contexts"]["Rust Tracing Fields"]["retry_count"], 2, "{event}");
        assert!(!event.to_string().contains("token-of-some-length"));
    }
}

#[test]
fn an_address_of_no_project_is_refused_without_being_shown() {
    let output = Command::new(GATEWAY)
        .env_clear()
        .env("SENTRY_DSN", "https://hunter2@")
        .output()
        .expect("the binary of this package");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("\n  SENTRY_DSN: ") && !told.contains("hunter2"), "{told}");
}
