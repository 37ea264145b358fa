//! Create calls whose outcome is in doubt (AIC-2): whatever happens, no job is started twice and none is lost.

use std::{
    convert::Infallible,
    error::Error,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use buttress_core::{Body, Problem, ProblemCode};
use buttress_provider::{JobEventKind, ProviderAdapter, ProviderError, ProviderErrorKind as Kind};
use buttress_superduperai::{
    ApiUrl, LocalRefusal, NotSent, Operation, RequestBody, SuperDuperAi, Token, Transport, TransportError,
};
use http::{Request, StatusCode};
use superduperai_sim::{Fault, Settings, Simulator, Then};
use tower::{Service, ServiceExt, service_fn};

use crate::support::*;

fn lookups(sim: &Simulator) -> usize {
    asked(sim, "GET", FILES)
}

/// Runs a create call into a fault of the simulator.
async fn created(sim: &Simulator, provider: &Provider, fault: Fault) -> Result<buttress_provider::Job, ProviderError> {
    sim.add_fault(fault);
    let outcome = provider.create_image_job(boat()).await;
    assert_eq!(paid_calls(sim), 1, "a create call is never sent twice");
    outcome
}

#[tokio::test]
async fn a_job_whose_answer_was_lost_is_found_and_adopted() {
    for cut in [Then::DropBefore, Then::DropAfter(0), Then::DropAfter(100)] {
        let (sim, provider) = pair().await;
        let job = created(&sim, &provider, post(IMAGES, cut)).await.unwrap();
        assert_eq!(sim.jobs().len(), 1);
        assert_eq!(job.id.as_str(), sim.jobs()[0].id.to_string());
        assert_eq!(last(&told(&provider, job).await), JobEventKind::Completed);
    }
}

#[tokio::test]
async fn a_lost_video_is_adopted_too() {
    let (sim, provider) = pair().await;
    sim.add_fault(post(VIDEOS, Then::DropBefore));
    let job = provider.create_video_job(drifting_boat()).await.unwrap();
    assert_eq!((sim.jobs().len(), paid_calls(&sim)), (1, 1));
    assert_eq!(job.id.as_str(), sim.jobs()[0].id.to_string());
}

#[tokio::test]
async fn the_lookup_takes_the_job_of_this_order_and_no_other() {
    let (sim, provider) = pair().await;
    for _ in 0..3 {
        provider.create_image_job(boat()).await.unwrap();
    }
    sim.add_fault(post(IMAGES, Then::DropBefore));
    let job = provider.create_image_job(boat()).await.unwrap();
    provider.create_image_job(boat()).await.unwrap();
    assert_eq!(job.id.as_str(), sim.jobs()[3].id.to_string());
}

#[tokio::test]
async fn a_job_that_is_on_a_later_page_of_the_list_is_found() {
    let (sim, provider) = pair().await;
    sim.add_fault(post(IMAGES, Then::DropBefore));
    // Others are busy between the call and its lookup.
    let busy = self::provider_with_pause(&sim, 300);
    let (job, ()) = tokio::join!(busy.create_image_job(boat()), async {
        tokio::time::sleep(ms(100)).await;
        for _ in 0..60 {
            provider.create_image_job(boat()).await.unwrap();
        }
    });
    assert_eq!(job.unwrap().id.as_str(), sim.jobs()[0].id.to_string());
    assert_eq!(sim.jobs().len(), 61);
}

fn provider_with_pause(sim: &Simulator, pause: u64) -> Provider {
    provider(sim).lookup_pause(ms(pause))
}

#[tokio::test]
async fn a_job_that_was_not_started_leaves_its_true_error_after_two_lookups() {
    let table = [
        (500, Kind::Unavailable),
        (502, Kind::Unavailable),
        (503, Kind::Unavailable),
        (504, Kind::Timeout),
        (520, Kind::Unavailable),
        (522, Kind::Timeout),
        (524, Kind::Timeout),
        (530, Kind::Unavailable),
        (408, Kind::Timeout),
    ];
    for (status, kind) in table {
        let (sim, provider) = pair().await;
        let body = scripted(status).header("retry-after", "7").body("error code");
        let error = created(&sim, &provider, post(IMAGES, body)).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (kind, true), "{status}");
        assert_eq!(error.delay(), Some(ms(7_000)));
        assert_eq!((lookups(&sim), sim.jobs().len()), (2, 0));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_looked_up_as_well() {
    let bodies = ["", "{", "[]", "null", "{\"id\":7}", "[{\"id\":\"../x\",\"type\":\"image\"}]", "<html>ok</html>"];
    for body in bodies {
        let (sim, provider) = pair().await;
        let error = created(&sim, &provider, post(IMAGES, scripted(200).body(body))).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (Kind::Decode, false), "{body}");
        assert_eq!(lookups(&sim), 2);
    }
}

// AIC-17
#[tokio::test]
async fn a_call_that_is_never_answered_is_a_time_out_once_the_job_is_known_not_to_be_there() {
    let (sim, provider) = pair().await;
    let provider = provider.timeouts(ms(150), ms(2_000)).unwrap();
    let error = created(&sim, &provider, post(IMAGES, Then::Hang)).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::Timeout, true));
    assert_eq!(lookups(&sim), 2);
}

#[tokio::test]
async fn an_attempt_as_long_as_its_operation_leaves_time_for_the_lookup() {
    let (sim, provider) = pair().await;
    let provider = provider.timeouts(ms(900), ms(900)).unwrap();
    let error = created(&sim, &provider, post(IMAGES, Then::Hang)).await.unwrap_err();
    assert_eq!((error.kind(), lookups(&sim)), (Kind::Timeout, 2));
}

#[tokio::test]
async fn a_call_for_which_no_time_is_left_is_not_sent() {
    let (sim, provider) = pair().await;
    let provider = provider.model_ttl(ms(0)).timeouts(ms(150), ms(150)).unwrap();
    provider.models().await.unwrap();
    sim.add_fault(get(MODELS, Then::Hang));
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable(), paid_calls(&sim)), (Kind::Timeout, true, 0));
}

#[tokio::test]
async fn a_job_that_was_started_and_never_answered_is_adopted() {
    let sim = start(Settings::default()).await;
    let transport = Transport::new().unwrap();
    // The work is done, and the answer is lost on the way back.
    let swallowing = service_fn(move |request: Request<RequestBody>| {
        let transport = transport.clone();
        async move {
            let paid = request.extensions().get().copied().is_some_and(Operation::is_paid);
            let answer = transport.oneshot(request).await;
            if paid { pending().await } else { answer }
        }
    });
    let provider = over(&sim, swallowing).timeouts(ms(150), ms(2_000)).unwrap();
    let job = provider.create_image_job(boat()).await.unwrap();
    assert_eq!((sim.jobs().len(), paid_calls(&sim)), (1, 1));
    assert_eq!(job.id.as_str(), sim.jobs()[0].id.to_string());
}

#[tokio::test]
async fn a_lookup_that_fails_leaves_the_outcome_unknown_and_the_first_error_as_its_cause() {
    let (sim, provider) = pair().await;
    sim.add_fault(get(FILES, scripted(503)).times(9));
    let error = created(&sim, &provider, post(IMAGES, Then::DropBefore)).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::UnknownOutcome, false));
    let cause: &ProviderError = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(cause.kind(), Kind::Unavailable);
    assert_eq!(sim.jobs().len(), 1);
}

#[tokio::test]
async fn a_first_lookup_that_fails_is_no_end() {
    let (sim, provider) = pair().await;
    sim.add_fault(get(FILES, scripted(503)));
    let job = created(&sim, &provider, post(IMAGES, Then::DropBefore)).await.unwrap();
    assert_eq!(job.id.as_str(), sim.jobs()[0].id.to_string());
}

#[tokio::test]
async fn a_last_lookup_that_fails_proves_nothing() {
    let (sim, provider) = pair().await;
    let empty = scripted(200).body(r#"{"items":[],"total":0,"limit":50,"offset":0,"next":null}"#);
    sim.add_fault(get(FILES, empty));
    sim.add_fault(get(FILES, Then::DropBefore));
    let error = created(&sim, &provider, post(IMAGES, Then::DropBefore)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::UnknownOutcome);
}

#[tokio::test]
async fn an_operation_without_time_for_a_lookup_ends_as_unknown_and_in_time() {
    let (sim, provider) = pair().await;
    let provider = provider.timeouts(ms(300), ms(300)).unwrap();
    sim.add_fault(get(FILES, Then::Hang).times(9));
    let started = tokio::time::Instant::now();
    let error = created(&sim, &provider, post(IMAGES, Then::Hang)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::UnknownOutcome);
    assert!(started.elapsed() < ms(1_500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_seed_of_the_callers_own_proves_nothing_and_is_not_looked_up() {
    let (sim, provider) = pair().await;
    sim.add_fault(post(IMAGES, Then::DropBefore));
    let mut request = boat();
    request.seed = Some(42);
    let error = provider.create_image_job(request).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::UnknownOutcome, false));
    assert_eq!((lookups(&sim), paid_calls(&sim)), (0, 1));
}

#[tokio::test]
async fn a_call_that_never_left_is_simply_unavailable() {
    let (sim, provider) = pair().await;
    provider.models().await.unwrap();
    sim.stop().await;
    let mut with_seed = boat();
    with_seed.seed = Some(42);
    for request in [boat(), with_seed] {
        let error = provider.create_image_job(request).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (Kind::Unavailable, true));
        let cause: &TransportError = error.source().unwrap().downcast_ref().unwrap();
        assert!(cause.is_connect());
    }
}

#[tokio::test]
async fn no_tls_is_no_connection() {
    let sim = start(Settings::default()).await;
    let url = ApiUrl::new(&sim.url().replace("http://", "https://")).unwrap();
    let provider = SuperDuperAi::connect(url, Token::new(sim.token()).unwrap()).unwrap();
    let error = provider.models().await.unwrap_err();
    let cause: &TransportError = error.source().unwrap().downcast_ref().unwrap();
    assert!(cause.is_connect(), "{}", in_full(&error));
}

/// A service that fails paid calls with an error of the given make, and counts what comes after.
fn failing<E: Error + Send + Sync + 'static>(
    sim: &Simulator,
    error: fn() -> E,
) -> SuperDuperAi<impl buttress_superduperai::HttpService> {
    let transport = Transport::new().unwrap();
    let service = service_fn(move |request: Request<RequestBody>| {
        let transport = transport.clone();
        async move {
            match request.extensions().get::<Operation>() {
                Some(operation) if operation.is_paid() => Err(Box::<dyn Error + Send + Sync>::from(error())),
                _ => transport.oneshot(request).await.map_err(Into::into),
            }
        }
    });
    over(sim, service)
}

#[tokio::test]
async fn a_foreign_service_may_say_that_nothing_was_sent() {
    let sim = start(Settings::default()).await;
    let provider = failing(&sim, || std::io::Error::other(NotSent::new("queue is full")));
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), lookups(&sim)), (Kind::Unavailable, 0));

    // Any other error may have been sent.
    let provider = failing(&sim, || std::io::Error::other("reset"));
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), lookups(&sim)), (Kind::Unavailable, 2));
}

#[tokio::test]
async fn a_refusal_of_a_layer_on_this_side_is_definite_and_reaches_the_caller() {
    let sim = start(Settings::default()).await;
    let transport = Transport::new().unwrap();
    let breaker = service_fn(move |request: Request<RequestBody>| {
        let transport = transport.clone();
        async move {
            if request.extensions().get() == Some(&Operation::CreateImage) {
                let code = ProblemCode::new("circuit_open");
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, "open").retry_after(ms(1_500));
                return Ok(problem.into_response(None));
            }
            let answer = transport.oneshot(request).await;
            answer.map(|response| response.map(Body::inner))
        }
    });
    let error = over(&sim, breaker).create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), error.delay()), (Kind::Unavailable, Some(ms(1_500))));
    let cause: &LocalRefusal = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(cause.problem().code().as_str(), "circuit_open");
    assert_eq!((paid_calls(&sim), lookups(&sim)), (0, 0));
}

/// Fails the test when a call meets an instance that did not just say that it is ready.
struct Probe<S> {
    inner: S,
    ready: bool,
    calls: Arc<AtomicUsize>,
}

impl<S: Clone> Clone for Probe<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl<S: Service<R>, R> Service<R> for Probe<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let ready = self.inner.poll_ready(cx);
        self.ready = matches!(ready, Poll::Ready(Ok(())));
        ready
    }

    fn call(&mut self, request: R) -> S::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}

#[tokio::test]
async fn every_call_goes_to_an_instance_that_is_ready() {
    let sim = start(Settings::default()).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let probe = Probe { inner: Transport::new().unwrap(), ready: false, calls: Arc::clone(&calls) };
    let provider = over(&sim, probe);
    sim.add_fault(post(IMAGES, Then::DropBefore));
    let job = provider.create_image_job(boat()).await.unwrap();
    told(&provider, job).await;
    assert_eq!(calls.load(Ordering::Relaxed), sim.requests().len());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_costs_the_attempt_and_nothing_was_sent() {
    #[derive(Clone)]
    struct Busy(Arc<AtomicBool>);

    impl Service<Request<RequestBody>> for Busy {
        type Response = http::Response<String>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            if self.0.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
            std::future::ready(Ok(http::Response::new(include_str!("../fixtures/models-all-21.json").into())))
        }
    }

    let busy = Arc::new(AtomicBool::new(false));
    let url = ApiUrl::new("http://example.com").unwrap();
    let provider = SuperDuperAi::new(url, Token::new("t").unwrap(), Busy(Arc::clone(&busy)));
    provider.models().await.unwrap();
    busy.store(true, Ordering::Relaxed);
    let started = tokio::time::Instant::now();
    let mut request = boat();
    request.seed = Some(42);
    let error = provider.create_image_job(request).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::Timeout, true));
    assert_eq!(started.elapsed().as_secs(), 10);
}
