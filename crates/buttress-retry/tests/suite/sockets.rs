//! Over real connections: a failed answer that is drained leaves its connection to the next try.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use buttress_retry::{Backoff, ReplayBody, RetryLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

/// Answers 503 with a body of this length twice, then says what it got; counts connections and requests.
async fn server(length: usize) -> (String, Arc<AtomicUsize>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::<AtomicUsize>::default();
    let (counted, requests) = (connections.clone(), Arc::<AtomicUsize>::default());
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let requests = requests.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                let number = requests.fetch_add(1, Ordering::Relaxed);
                async move {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let (status, body) = if number < 2 { (503, vec![b'x'; length].into()) } else { (200, body) };
                    Ok::<_, Infallible>(Response::builder().status(status).body(Full::new(body)).unwrap())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (url, connections, task)
}

fn layer() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE)
}

async fn call(url: &str) -> Bytes {
    let client: Client<_, ReplayBody<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::put(url).body(Full::new(Bytes::from("abc"))).unwrap();
    let response = layer().layer(client).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn all_tries_go_over_one_connection_if_the_failures_are_short_enough_to_be_read() {
    let (url, connections, task) = server(60_000).await;
    assert_eq!(call(&url).await, "abc");
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    task.abort();
}

#[tokio::test]
async fn a_long_failure_is_not_waited_for() {
    let (url, connections, task) = server(20_000_000).await;
    assert_eq!(call(&url).await, "abc");
    assert_eq!(connections.load(Ordering::Relaxed), 3);
    task.abort();
}

// RTY-1, RTY-15
#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again_with_the_whole_body_and_a_post_too_if_that_is_known() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let tries = async |method: &str, knows: bool| {
        let retries = Arc::<AtomicUsize>::default();
        let counted = retries.clone();
        let count = move |_: &buttress_retry::Retrying| {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        let client: Client<_, ReplayBody<Full<Bytes>>> = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder().method(method).uri(format!("http://{address}/"));
        let request = request.body(Full::new(Bytes::from("abc"))).unwrap();
        let outcome = if knows {
            layer().on_retry(count).never_left(Error::is_connect).layer(client).oneshot(request).await
        } else {
            layer().on_retry(count).layer(client).oneshot(request).await
        };
        assert!(outcome.unwrap_err().is_connect());
        1 + retries.load(Ordering::Relaxed)
    };
    assert_eq!(tries("PUT", false).await, 3);
    assert_eq!(tries("POST", false).await, 1);
    assert_eq!(tries("POST", true).await, 3);
}
