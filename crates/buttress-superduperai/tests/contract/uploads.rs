//! Files on their way to the provider.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use buttress_provider::{ProviderAdapter, ProviderErrorKind as Kind, Upload};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use superduperai_sim::Then;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::*;

type Piece = Result<Frame<Bytes>, io::Error>;

fn piece(bytes: &'static [u8]) -> Piece {
    Ok(Frame::data(Bytes::from_static(bytes)))
}

fn png() -> Upload {
    Upload::new("image/png; charset=binary", Full::new(Bytes::from_static(b"\x89PNG\r\n\x1a\nrest")))
}

#[tokio::test]
async fn a_file_arrives_whole_under_the_name_and_type_that_the_provider_reads() {
    let (sim, provider) = pair().await;
    let file = provider.upload(png()).await.unwrap();
    assert_eq!(file.media_type, "image/png");
    assert!(file.url.unwrap().starts_with(sim.url()));

    let received = sim.requests().pop().unwrap();
    assert_eq!((received.path.as_str(), received.query.as_deref()), (UPLOADS, Some("type=image")));
    assert!(received.headers["content-type"].starts_with("multipart/form-data; boundary="));
    assert!(received.headers.contains_key("content-length"), "the size is known");
    assert!(received.body.contains("name=\"payload\"; filename=\"upload.png\"\r\nContent-Type: image/png\r\n"));
}

#[tokio::test]
async fn a_stream_of_unknown_length_arrives_too() {
    let (sim, provider) = pair().await;
    let pieces = [piece(b"\x89PNG"), piece(b"\r\n\x1a\n"), piece(b"rest")];
    let upload = Upload::new("image/png", StreamBody::new(stream::iter(pieces)));
    provider.upload(upload).await.unwrap();
    let received = sim.requests().pop().unwrap();
    assert!(!received.headers.contains_key("content-length"));
    assert!(received.body.contains("PNG\r\n\x1a\nrest\r\n--"));
}

#[tokio::test]
async fn a_source_that_fails_breaks_the_request_off_and_nothing_is_stored() {
    let (sim, provider) = pair().await;
    let pieces = [piece(b"\x89PNG"), Err(io::Error::other("the visitor left"))];
    let upload = Upload::new("image/png", StreamBody::new(stream::iter(pieces)));
    let error = provider.upload(upload).await.unwrap_err();
    assert_eq!((error.kind(), error.fields()[0].field.as_ref()), (Kind::Invalid, "file"));
    assert!(in_full(&error).contains("the visitor left"), "the cause is the source's own");
    assert!(sim.requests().is_empty(), "the request never became whole");
}

#[tokio::test]
async fn a_source_that_stalls_is_given_up() {
    let (_sim, provider) = pair().await;
    let provider = provider.upload_timeouts(ms(50), ms(5_000)).unwrap();
    let upload = Upload::new("image/png", StreamBody::new(stream::iter([piece(b"x")]).chain(stream::pending())));
    let started = tokio::time::Instant::now();
    let error = provider.upload(upload).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(started.elapsed() < ms(2_000));
}

#[tokio::test]
async fn refusals_and_trouble_of_an_upload_are_told_apart() {
    let (sim, provider) = pair().await;
    let provider = provider.upload_timeouts(ms(1_000), ms(150)).unwrap();
    let table: [(Then, Kind, bool); 8] = [
        (scripted(413).into(), Kind::Rejected, true),
        (scripted(415).into(), Kind::Rejected, true),
        (scripted(422).body(r#"{"detail":[{"loc":["body","payload"],"msg":"x"}]}"#).into(), Kind::Rejected, true),
        (scripted(404).into(), Kind::Rejected, true),
        (scripted(401).into(), Kind::Unauthorized, false),
        (scripted(500).into(), Kind::Unavailable, false),
        (Then::DropBefore, Kind::Unavailable, false),
        (Then::Hang, Kind::Timeout, false),
    ];
    for (then, kind, names_the_file) in table {
        sim.add_fault(post(UPLOADS, then));
        let error = provider.upload(png()).await.unwrap_err();
        assert_eq!((error.kind(), !error.fields().is_empty()), (kind, names_the_file));
    }
    let broken = scripted(200).body(r#"{"id":"../x"}"#);
    sim.add_fault(post(UPLOADS, broken));
    assert_eq!(provider.upload(png()).await.unwrap_err().kind(), Kind::Decode);
}

#[tokio::test]
async fn a_file_without_a_media_type_is_not_sent() {
    let (sim, provider) = pair().await;
    for bad in ["", "png", "image/png\r\nx: y"] {
        let error = provider.upload(Upload::new(bad, Full::new(Bytes::new()))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
    }
    assert!(sim.requests().is_empty());
}

#[tokio::test]
async fn a_large_file_is_streamed_and_not_held() {
    const PIECE: usize = 64 << 10;
    const PIECES: usize = 512;
    // Takes the head and a little more, and then reads nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let drawn = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&drawn);
    let pieces = stream::iter(0..PIECES).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, io::Error>(Frame::data(Bytes::from(vec![0; PIECE])))
    });
    let token = buttress_superduperai::Token::new("t").unwrap();
    let provider = buttress_superduperai::SuperDuperAi::connect(url.parse().unwrap(), token).unwrap();
    let sending = tokio::spawn(async move {
        let upload = Upload::new("video/mp4", StreamBody::new(pieces));
        provider.upload(upload).await
    });
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut some = vec![0; 4_096];
    socket.read_exact(&mut some).await.unwrap();
    tokio::time::sleep(ms(300)).await;
    let held = drawn.load(Ordering::Relaxed);
    // What the two socket buffers of the kernel take, and no more.
    assert!(held < PIECES / 2, "{held} of {PIECES} pieces were drawn although nobody reads");

    let answer = include_str!("../fixtures/file-upload-response.json");
    let reader = async {
        let mut rest = vec![0; 1 << 20];
        let mut tail = Vec::new();
        loop {
            let n = socket.read(&mut rest).await.unwrap();
            tail.extend_from_slice(&rest[..n]);
            tail.drain(..tail.len().saturating_sub(64));
            // The last chunk of the request.
            if tail.ends_with(b"\r\n0\r\n\r\n") {
                break;
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
        socket.write_all(head.as_bytes()).await.unwrap();
    };
    reader.await;
    let file = sending.await.unwrap().unwrap();
    assert_eq!(file.file_id.as_str(), "f42dabfb-eb51-4f86-9d34-87d4f15a65c7");
    assert_eq!(drawn.load(Ordering::Relaxed), PIECES);
}
