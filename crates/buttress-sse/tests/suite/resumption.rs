//! The client and the log of this crate, with lines that are cut wherever lines can be cut.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress_sse::{Event, EventSource, MemoryLog, Resume, Signal, last_event_id};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::common::{create, log};

/// The events of a stream, with all that makes a cut interesting: several lines, bytes beyond ASCII, no data.
fn publish(log: &MemoryLog) -> Vec<String> {
    let said = ["one", "two\nlines", "dré", "", "five"].map(str::to_owned).to_vec();
    let mut stream = create(log, "a");
    for data in &said[..4] {
        stream.send_event(Event::data(data.clone()));
    }
    stream.finish(Event::data("five"));
    said
}

/// All that the stream still says to this request, cut after so many bytes, if there is so much.
async fn serve(log: &MemoryLog, request: Request<String>, cut: Option<usize>) -> Response<Full<Bytes>> {
    let cursor = last_event_id(request.headers(), None).unwrap();
    match log.resume_from("a", cursor.as_ref()) {
        Resume::Play(replay) => {
            let (head, body) = replay.into_response().into_parts();
            let mut all = body.collect().await.unwrap().to_bytes();
            all.truncate(cut.unwrap_or(all.len()));
            Response::from_parts(head, all.into())
        }
        _ => Response::builder().status(StatusCode::NO_CONTENT).body(Full::default()).unwrap(),
    }
}

/// The data that a client is told when its lines are cut after so many bytes each, and then no more.
async fn told(log: &MemoryLog, cuts: &[usize]) -> Vec<String> {
    let mut cuts = cuts.iter().copied();
    let service = tower::service_fn(move |request| {
        let answer = serve(log, request, cuts.next());
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut source = pin!(EventSource::new(service, Request::new(String::new())));
    let mut told = Vec::new();
    while let Some(signal) = source.next().await {
        if let Signal::Message(message) = signal.unwrap() {
            told.push(message.data().to_owned());
        }
    }
    told
}

// SSE-46, SSE-21, SSE-11
#[tokio::test(start_paused = true)]
async fn a_cut_at_every_byte_loses_nothing_and_doubles_nothing() {
    let whole = log();
    let said = publish(&whole);
    let all = serve(&whole, Request::new(String::new()), None).await.into_body().collect().await.unwrap().to_bytes();
    assert!(all.len() > 100);
    for cut in 0..=all.len() {
        let log = log();
        publish(&log);
        assert_eq!(told(&log, &[cut]).await, said, "cut after {cut} bytes");
    }
}

proptest! {
    // SSE-46
    #[test]
    fn any_cuts_lose_nothing_and_double_nothing(cuts in proptest::collection::vec(0_usize..200, 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let log = log();
        let said = publish(&log);
        prop_assert_eq!(runtime.block_on(told(&log, &cuts)), said);
    }
}

/// Answers each connection with the next of these texts, and closes it.
async fn raw_server(listener: TcpListener, answers: Vec<String>, heads: Arc<Mutex<Vec<String>>>) {
    for answer in answers {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        heads.lock().unwrap().push(String::from_utf8(head).unwrap().to_ascii_lowercase());
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
    }
}

// SSE-20, SSE-21, SSE-23, SSE-26: over a socket, through a chunked body that is cut within a chunk.
#[tokio::test]
async fn a_client_of_hyper_comes_back_after_a_broken_chunk() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/events", listener.local_addr().unwrap());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let first = "retry: 100\n\nid: 1\ndata: a\n\n";
    let answers = vec![
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /moved\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            .to_owned(),
        format!("{head}{:x}\r\n{first}\r\nff\r\nid: 2\ndata: cut", first.len()),
        format!("{head}12\r\nid: 2\ndata: b\n\nda:\r\n0\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned(),
    ];
    let heads = Arc::default();
    let server = tokio::spawn(raw_server(listener, answers, Arc::clone(&heads)));

    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = Request::get(uri).body(Full::<Bytes>::default()).unwrap();
    let mut source = pin!(EventSource::new(client, request).reconnection_time(Duration::from_millis(1)));
    let mut data = Vec::new();
    while let Some(signal) = source.next().await {
        if let Signal::Message(message) = signal.unwrap() {
            data.push(message.data().to_owned());
        }
    }
    server.await.unwrap();
    assert_eq!(data, ["a", "b"]);

    let heads = heads.lock().unwrap();
    let ids = [None, None, None, Some("2")];
    assert_eq!(heads.len(), ids.len());
    assert!(heads[1].starts_with("get /moved"));
    assert!(heads.iter().all(|head| head.contains("\r\naccept: text/event-stream\r\n")));
    assert!(heads[2].contains("\r\nlast-event-id: 1\r\n") && !heads[0].contains("last-event-id"));
}
