//! How a simulator starts and dies.

use std::{sync::Arc, time::Duration};

use superduperai_sim::{Settings, Simulator};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Bench, NEVER, PATIENCE, bench, quick};

#[tokio::test]
async fn stop_closes_streams_and_listener_and_frees_the_port() {
    let bench = bench(quick().step(NEVER)).await;
    let file = bench.boat().await;
    let mut stream = bench.stream_of(&file).await;
    let addr = bench.sim.addr();
    bench.sim.stop().await;
    assert!(TcpStream::connect(addr).await.is_err());
    assert!(stream.rest().await.1, "the stream did not break");
    let again = Simulator::start(Settings::default().bind(addr)).await;
    assert_eq!(again.unwrap().addr(), addr);
}

#[tokio::test]
async fn dropping_the_handle_kills_it_in_the_middle_of_a_request() {
    let sim = Simulator::start(quick()).await.unwrap();
    let mut half = TcpStream::connect(sim.addr()).await.unwrap();
    half.write_all(b"GET /api/v1/ping HTTP/1.1\r\n").await.unwrap();
    let addr = sim.addr();
    drop(sim);
    let mut rest = Vec::new();
    // Closed or reset, but not left open.
    let _ = timeout(PATIENCE, half.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    let refused = async {
        while TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let first = Simulator::start(Settings::default()).await.unwrap();
    let second = Settings::default().bind(first.addr());
    assert!(Simulator::start(second).await.is_err());
}

#[tokio::test]
async fn two_simulators_know_nothing_of_each_other() {
    let (one, other) = (bench(quick()).await, bench(quick().token("x")).await);
    one.boat().await;
    assert_eq!(other.get("/api/v1/file").await.json()["total"], 0);
    assert_eq!(one.get("/api/v1/file").await.json()["total"], 1);
}

#[test]
fn no_token_is_printed() {
    let printed = format!("{:?}", Settings::default().token("secret-of-the-test"));
    assert!(!printed.contains("secret-of-the-test"), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_at_once_all_get_their_jobs_done() {
    let bench = Arc::new(bench(quick().step(Duration::from_millis(1))).await);
    let client = async |bench: Arc<Bench>| {
        for _ in 0..10 {
            let file = bench.boat().await;
            bench.stream_of(&file).await;
            assert!(bench.settled(&file["id"]).await["url"].is_string());
            bench.get("/api/v1/user/me").await;
        }
    };
    let clients: Vec<_> = (0..20).map(|_| tokio::spawn(client(Arc::clone(&bench)))).collect();
    for client in clients {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    assert_eq!(bench.sim.balance(), 800.0);
}
