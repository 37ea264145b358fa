//! The default stack: what is tried again, to the call.

use std::{error::Error, time::Duration};

use buttress_circuit_breaker::{BreakerLayer, Policy, Window};
use buttress_provider::{ProviderAdapter, ProviderErrorKind as Kind, Upload};
use buttress_superduperai::{ApiUrl, LocalRefusal, Resilience, Stack, SuperDuperAi, Token, Transport, Tries};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use superduperai_sim::{Fault, Settings, Simulator, Then};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tower::limit::ConcurrencyLimit;

use crate::support::*;

fn hasty_resilience() -> Resilience {
    Resilience::default().backoff(ms(1), ms(5)).unwrap().attempt_timeout(ms(300)).unwrap()
}

fn resilient(url: &str, token: &str) -> SuperDuperAi<Stack> {
    let (url, token) = (ApiUrl::new(url).unwrap(), Token::new(token).unwrap());
    let provider = SuperDuperAi::resilient(url, token, &hasty_resilience()).unwrap();
    hasty(provider).timeouts(ms(300), ms(5_000)).unwrap()
}

async fn sim_and_stack() -> (Simulator, SuperDuperAi<Stack>) {
    let sim = start(Settings::default()).await;
    let provider = resilient(sim.url(), &sim.token());
    (sim, provider)
}

// RTY-1
#[tokio::test]
async fn a_look_is_tried_again() {
    for fault in [Then::from(StatusCode::SERVICE_UNAVAILABLE), Then::DropBefore, Then::Hang] {
        let (sim, provider) = sim_and_stack().await;
        let job = provider.create_image_job(boat()).await.unwrap();
        sim.add_fault(Fault::new(Method::GET, ONE_FILE, fault).times(2));
        let before = sim.requests().len();
        assert_eq!(provider.get_job_status(&job.id).await.unwrap().id, job.id);
        assert_eq!(sim.requests().len() - before, 3);
    }
}

// RTY-5
#[tokio::test]
async fn looks_that_all_hang_are_a_time_out() {
    let (sim, provider) = sim_and_stack().await;
    sim.add_fault(Fault::new(Method::GET, MODELS, Then::Hang).times(9));
    assert_eq!(provider.models().await.unwrap_err().kind(), Kind::Timeout);
    assert_eq!(asked(&sim, "GET", MODELS), 3);
}

/// Answers a request on each connection with a head and the beginning of a body.
async fn stalling() -> String {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", door.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = door.accept().await {
            stream.read_exact(&mut [0; 64]).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"items\":[";
            stream.write_all(head).await.unwrap();
            open.push(stream);
        }
    });
    url
}

// RTY-5, CBK-18
#[tokio::test]
async fn an_answer_whose_body_stalls_costs_the_time_of_a_try_and_counts_as_a_failure() {
    let policy = Policy::new(Window::time(Duration::from_secs(30))).minimum_calls(2);
    let resilience = hasty_resilience().breaker(BreakerLayer::new("stalling", policy).unwrap());
    let (url, token) = (ApiUrl::new(&stalling().await).unwrap(), Token::new("t").unwrap());
    let provider = hasty(SuperDuperAi::resilient(url, token, &resilience).unwrap());
    for _ in 0..2 {
        let started = Instant::now();
        assert_eq!(provider.models().await.unwrap_err().kind(), Kind::Timeout);
        assert!((ms(300)..ms(5_000)).contains(&started.elapsed()), "{:?}", started.elapsed());
    }
    let refused = provider.models().await.unwrap_err();
    assert!(refused.source().is_some_and(|source| source.is::<LocalRefusal>()), "{refused:?}");
}

// AIC-2
#[tokio::test]
async fn a_creation_that_was_sent_is_not_sent_again() {
    for fault in [Then::from(StatusCode::SERVICE_UNAVAILABLE), Then::from(StatusCode::TOO_MANY_REQUESTS), Then::Hang] {
        let (sim, provider) = sim_and_stack().await;
        sim.add_fault(post(IMAGES, fault));
        provider.create_image_job(boat()).await.unwrap_err();
        assert_eq!((paid_calls(&sim), sim.jobs().len()), (1, 0));
    }
}

/// Lets nobody in at first, and then to the simulator.
async fn late_door(sim: &Simulator, closed_for: Duration) -> String {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    drop(door);
    let behind = sim.url().trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        tokio::time::sleep(closed_for).await;
        let door = TcpListener::bind(address).await.unwrap();
        while let Ok((mut outside, _)) = door.accept().await {
            let behind = behind.clone();
            tokio::spawn(async move {
                let mut inside = TcpStream::connect(behind).await.unwrap();
                // Whoever hangs up first ends it.
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    format!("http://{address}")
}

// RTY-1, AIC-2
#[tokio::test]
async fn a_creation_that_provably_never_left_is_tried_again_and_paid_once() {
    let sim = start(Settings::default()).await;
    let url = late_door(&sim, ms(400)).await;
    let (url, token) = (ApiUrl::new(&url).unwrap(), Token::new(sim.token()).unwrap());
    let patient = hasty_resilience().backoff(ms(1_500), ms(1_500)).unwrap();
    let patient = patient.attempts(std::num::NonZeroU32::new(10).unwrap());
    let provider = hasty(SuperDuperAi::resilient(url, token, &patient).unwrap());
    let job = provider.create_image_job(boat()).await.unwrap();
    assert_eq!((paid_calls(&sim), sim.jobs().len()), (1, 1));
    assert_eq!(job.id.as_str(), sim.jobs()[0].id.to_string());
}

#[tokio::test]
async fn an_upload_goes_past_the_retries_and_the_time_of_a_try() {
    let (sim, provider) = sim_and_stack().await;
    sim.add_fault(post(UPLOADS, StatusCode::SERVICE_UNAVAILABLE));
    let upload = || Upload::new("image/png", Full::new(Bytes::from_static(b"x")));
    provider.upload(upload()).await.unwrap_err();
    assert_eq!(asked(&sim, "POST", UPLOADS), 1);
    assert!(provider.upload(upload()).await.is_ok());
}

#[tokio::test]
async fn a_layer_with_one_place_is_enough_for_calls_of_either_kind() {
    let sim = start(Settings::default()).await;
    let (url, token) = (ApiUrl::new(sim.url()).unwrap(), Token::new(sim.token()).unwrap());
    let resilience = hasty_resilience();
    let tries = ConcurrencyLimit::new(Tries::new(Transport::new().unwrap(), &resilience), 1);
    let provider = SuperDuperAi::new(url, token, Stack::over(tries, &resilience)).tried_beneath();
    let provider = hasty(provider).timeouts(ms(300), ms(1_000)).unwrap();
    for _ in 0..2 {
        provider.models().await.unwrap();
        provider.upload(Upload::new("image/png", Full::new(Bytes::from_static(b"x")))).await.unwrap();
    }
}

// RTY-17
#[tokio::test]
async fn all_tries_of_a_call_share_the_id_of_the_scope() {
    let (sim, provider) = sim_and_stack().await;
    sim.add_fault(Fault::new(Method::GET, MODELS, StatusCode::BAD_GATEWAY).times(2));
    let id = "order-42".parse().unwrap();
    buttress_correlation_id::scope(id, provider.models()).await.unwrap();
    let requests = sim.requests();
    let ids: Vec<_> = requests.iter().take(3).map(|request| request.headers["x-correlation-id"].clone()).collect();
    assert_eq!(ids, ["order-42"; 3]);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    assert!(Resilience::default().backoff(Duration::ZERO, ms(1)).is_err());
    assert!(Resilience::default().backoff(ms(2), ms(1)).is_err());
    assert!(Resilience::default().attempt_timeout(Duration::ZERO).is_err());
}
