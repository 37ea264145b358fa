//! What must never be seen (AIC-13).

use std::sync::{Arc, Mutex};

use buttress_provider::{ProviderAdapter, ProviderError, Upload};
use buttress_superduperai::{RequestBody, SuperDuperAi, Token, Transport};
use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::Full;
use superduperai_sim::{Settings, Then};
use tower::{ServiceExt, service_fn};

use crate::support::*;

/// One error of each make, from a provider that repeats the token and its own address wherever it can.
async fn errors(token: &str) -> Vec<ProviderError> {
    let (sim, provider) = pair().await;
    let provider = provider.timeouts(ms(150), ms(1_000)).unwrap();
    let echo = format!(r#"{{"detail":"who is {token} at http://10.0.0.7/?token={token}"}}"#);
    let fault = format!(r#"{{"detail":[{{"loc":["body","config","prompt"],"msg":"{token}","input":"{token}"}}]}}"#);
    let echoes = [400, 401, 402, 403, 404, 409, 422, 429, 500, 503, 524, 307];
    let answers =
        echoes.map(|status| Then::from(scripted(status).body(echo.clone()).header("location", "http://10.0.0.7")));
    let more = [
        scripted(422).body(fault).into(),
        scripted(200).body(format!("\"{token}\"")).into(),
        Then::DropBefore,
        Then::Hang,
    ];
    let mut errors = Vec::new();
    for then in answers.into_iter().chain(more) {
        sim.add_fault(post(IMAGES, then));
        let mut request = boat();
        // So that a lost answer stays lost.
        request.seed = Some(42);
        errors.push(provider.create_image_job(request).await.unwrap_err());
    }
    sim.add_fault(post(UPLOADS, scripted(413).body(echo)));
    let upload = Upload::new("image/png", Full::new(Bytes::from_static(b"x")));
    errors.push(provider.upload(upload).await.unwrap_err());
    sim.stop().await;
    errors.push(provider.get_job_status(&"some-job".parse().unwrap()).await.unwrap_err());
    errors
}

// quirk 32
#[tokio::test]
async fn no_error_shows_the_token_and_no_message_an_address() {
    let token = superduperai_sim::TOKEN;
    let errors = errors(token).await;
    assert_eq!(errors.len(), 18);
    for error in errors {
        assert!(!in_full(&error).contains(token), "{error:?}");
        for shown in [error.to_string(), format!("{:?}", error.to_problem())] {
            assert!(!shown.contains("://") && !shown.contains("127.0.0.1") && !shown.contains("10.0.0.7"), "{shown}");
        }
    }
}

#[tokio::test]
async fn neither_the_provider_nor_its_requests_print_the_token() {
    let sim = start(Settings::default()).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, transport) = (Arc::clone(&seen), Transport::new().unwrap());
    let service = service_fn(move |request: Request<RequestBody>| {
        assert!(request.headers()[AUTHORIZATION].is_sensitive());
        assert!(request.uri().query().is_none_or(|query| !query.contains(superduperai_sim::TOKEN)));
        log.lock().unwrap().push(format!("{request:?} {:?}", request.extensions()));
        transport.clone().oneshot(request)
    });
    let provider = over(&sim, service);
    let job = provider.create_image_job(boat()).await.unwrap();
    told(&provider, job).await;
    let mut seen = seen.lock().unwrap().clone();
    assert!(seen.len() >= 4);
    seen.push(format!("{provider:?} {provider:#?} {:?}", Token::new(sim.token()).unwrap()));
    assert!(seen.iter().all(|shown| !shown.contains(superduperai_sim::TOKEN)));
}

#[tokio::test]
async fn the_media_are_never_fetched() {
    let (sim, provider) = pair().await;
    let job = provider.create_image_job(boat()).await.unwrap();
    told(&provider, job.clone()).await;
    provider.get_job_result(&job.id).await.unwrap();
    assert!(sim.requests().iter().all(|request| request.path.starts_with("/api/v1/")));
}

#[tokio::test]
async fn the_token_of_one_provider_is_not_that_of_another() {
    let sim = start(Settings::default().token("first-token")).await;
    let url: buttress_superduperai::ApiUrl = sim.url().parse().unwrap();
    let first = SuperDuperAi::connect(url.clone(), Token::new("Bearer first-token").unwrap()).unwrap();
    assert!(first.models().await.is_ok());
    let second = SuperDuperAi::connect(url, Token::new("second-token").unwrap()).unwrap();
    assert!(second.models().await.is_err());
}
