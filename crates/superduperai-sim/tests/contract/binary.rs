//! The simulator on its own.

use std::process::{Output, Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
    time::timeout,
};

use crate::support::PATIENCE;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_superduperai-sim"));
    for name in ["BIND", "SIM_STEP", "SIM_TOKEN"] {
        command.env_remove(name);
    }
    command.kill_on_drop(true);
    command
}

async fn refused(name: &str, value: &str) -> Output {
    let mut command = command();
    command.env("BIND", "127.0.0.1:0").env(name, value);
    timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

#[tokio::test]
async fn its_first_line_says_where_it_listens_and_sigterm_ends_it_well() {
    let mut command = command();
    command.env("BIND", "127.0.0.1:0").env("SIM_STEP", "5ms");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap();
    let line = line.unwrap().unwrap();
    let addr = line.strip_prefix("listening on http://").unwrap();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = b"GET /api/v1/ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").arg(id).status().await.unwrap().success());
    let status = timeout(PATIENCE, child.wait()).await.unwrap();
    assert_eq!(status.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_bad_variable_is_named_and_the_status_is_2() {
    for (name, value) in [("BIND", "here"), ("SIM_STEP", "soon"), ("SIM_TOKEN", "two words"), ("SIM_TOKEN", "")] {
        let output = refused(name, value).await;
        assert_eq!(output.status.code(), Some(2), "{name}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.starts_with(&format!("{name}: ")), "{message}");
        assert!(message.contains(&format!("{name}=")), "{message}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn every_bad_variable_is_reported() {
    let mut command = command();
    command.env("BIND", "here").env("SIM_STEP", "soon");
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 2, "{message}");
}
