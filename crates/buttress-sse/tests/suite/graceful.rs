//! The layer in a server of hyper that is shut down while clients listen.

use std::{convert::Infallible, time::Duration};

use buttress_sse::{Drain, HeartbeatLayer};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::{rt::TokioIo, server::graceful::GracefulShutdown, service::TowerToHyperService};
use tokio::time::timeout;
use tower::{Layer, service_fn};

use crate::script::{Script, Scripted, event_stream};

const GRACE: Duration = Duration::from_secs(5);

/// A connection whose every answer is the stream of this script.
async fn connect(graceful: &GracefulShutdown, layer: &HeartbeatLayer, script: &Script) -> SendRequest<Empty<Bytes>> {
    let script = script.clone();
    let handler = move |_: Request<Incoming>| {
        let answer: Response<Scripted> = event_stream(script.body());
        async { Ok::<_, Infallible>(answer) }
    };
    let service = TowerToHyperService::new(layer.layer(service_fn(handler)));
    let (near, far) = tokio::io::duplex(1_024);
    let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
    tokio::spawn(graceful.watch(server));
    let (sender, client) = hyper::client::conn::http1::handshake(TokioIo::new(near)).await.unwrap();
    tokio::spawn(client);
    sender
}

async fn get(sender: &mut SendRequest<Empty<Bytes>>) -> Incoming {
    let response = sender.send_request(Request::new(Empty::new())).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["transfer-encoding"]),
        (StatusCode::OK, &"chunked".parse().unwrap())
    );
    response.into_body()
}

async fn text(body: &mut Incoming) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

// SSE-56
#[tokio::test(start_paused = true)]
async fn connections_with_endless_streams_end_when_they_are_drained_and_only_then() {
    let (graceful, drain) = (GracefulShutdown::new(), Drain::new());
    let layer = HeartbeatLayer::default().drained_by(&drain).grace(GRACE);
    let script = Script::default();
    let mut sender = connect(&graceful, &layer, &script).await;
    let mut body = get(&mut sender).await;
    assert_eq!(text(&mut body).await, ":\n\n");
    script.send("data: x\n\n");
    assert_eq!(text(&mut body).await, "data: x\n\n");

    let mut shutdown = Box::pin(graceful.shutdown());
    assert!(timeout(GRACE * 100, &mut shutdown).await.is_err(), "an endless stream lets it wait for ever");
    drain.drain();
    timeout(GRACE, shutdown).await.expect("all connections have ended");
    let rest = body.collect().await.expect("a whole body").to_bytes();
    assert!(rest.ends_with(b"\n\n") && rest.windows(7).any(|word| word == b"retry: "), "{rest:?}");
}

// SSE-43, SSE-56
#[tokio::test(start_paused = true)]
async fn a_client_does_not_take_a_cut_event_for_a_whole_stream() {
    let (graceful, drain) = (GracefulShutdown::new(), Drain::new());
    let layer = HeartbeatLayer::default().drained_by(&drain).grace(GRACE);
    let script = Script::default();
    script.send("data: x\n");
    let mut sender = connect(&graceful, &layer, &script).await;
    let mut body = get(&mut sender).await;
    assert_eq!(text(&mut body).await, "data: x\n");
    drain.drain();
    timeout(GRACE * 2, graceful.shutdown()).await.expect("all connections have ended");
    assert!(body.collect().await.is_err());
}
