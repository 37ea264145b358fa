//! What the tests share: short schedules, canned services, and ways to look at what happened.

use std::{convert::Infallible, error::Error, time::Duration};

use buttress_provider::{
    ImageRequest, Job, JobEvent, JobEventKind, MediaKind, ProviderAdapter, Schedule, VideoRequest,
};
use buttress_superduperai::{ApiUrl, EventChannel, HttpService, RequestBody, SuperDuperAi, Token, Transport};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use superduperai_sim::{Answer, Fault, Settings, Simulator, Then};
use tower::util::BoxCloneSyncService;

pub(crate) const IMAGES: &str = "/api/v1/file/generate-image";
pub(crate) const VIDEOS: &str = "/api/v1/file/generate-video";
pub(crate) const FILES: &str = "/api/v1/file";
pub(crate) const ONE_FILE: &str = "/api/v1/file/*";
pub(crate) const MODELS: &str = "/api/v1/generation-config";
pub(crate) const EVENTS: &str = "/api/v1/events/*";
pub(crate) const UPLOADS: &str = "/api/v1/file/upload";

pub(crate) type Provider = SuperDuperAi<Transport>;
pub(crate) type AnyService = BoxCloneSyncService<Request<RequestBody>, Response<Full<Bytes>>, Infallible>;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) async fn start(settings: Settings) -> Simulator {
    Simulator::start(settings.step(ms(5))).await.unwrap()
}

/// A simulator on a good day, and a provider that talks to it.
pub(crate) async fn pair() -> (Simulator, Provider) {
    let sim = start(Settings::default()).await;
    let provider = provider(&sim);
    (sim, provider)
}

pub(crate) fn provider(sim: &Simulator) -> Provider {
    over(sim, Transport::new().unwrap())
}

/// A provider over a service of one's own, quick to look and slow to give up.
pub(crate) fn over<S: HttpService>(sim: &Simulator, service: S) -> SuperDuperAi<S> {
    hasty(SuperDuperAi::new(ApiUrl::new(sim.url()).unwrap(), Token::new(sim.token()).unwrap(), service))
}

pub(crate) fn hasty<S: HttpService>(provider: SuperDuperAi<S>) -> SuperDuperAi<S> {
    let schedule = Schedule::default().first(ms(5)).unwrap().cap(ms(20)).unwrap().deadline(ms(10_000));
    let channel = EventChannel::default().reconnect(ms(5), ms(20)).unwrap().silence(ms(2_000)).unwrap();
    provider
        .schedule(MediaKind::Image, schedule.clone())
        .schedule(MediaKind::Video, schedule)
        .events(channel)
        .lookup_pause(ms(2))
}

/// A provider over a function that answers each request.
pub(crate) fn canned<F>(answer: F) -> SuperDuperAi<AnyService>
where
    F: Fn(&Parts, &Bytes) -> Response<Full<Bytes>> + Clone + Send + Sync + 'static,
{
    let service = tower::service_fn(move |request: Request<RequestBody>| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(answer(&head, &body))
        }
    });
    let url = ApiUrl::new("https://api.example.com/base").unwrap();
    hasty(SuperDuperAi::new(url, Token::new("top-secret-token").unwrap(), BoxCloneSyncService::new(service)))
}

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

pub(crate) fn scripted(status: u16) -> Answer {
    Answer::new(StatusCode::from_u16(status).unwrap())
}

pub(crate) fn post(path: &str, then: impl Into<Then>) -> Fault {
    Fault::new(Method::POST, path, then)
}

pub(crate) fn get(path: &str, then: impl Into<Then>) -> Fault {
    Fault::new(Method::GET, path, then)
}

/// How often the simulator was asked for a path, or for one below it.
pub(crate) fn asked(sim: &Simulator, method: &str, path: &str) -> usize {
    let fits = |asked: &str| match path.strip_suffix('*') {
        Some(start) => asked.starts_with(start),
        None => asked == path,
    };
    sim.requests().iter().filter(|request| request.method == method && fits(&request.path)).count()
}

/// How many paid calls the simulator received.
pub(crate) fn paid_calls(sim: &Simulator) -> usize {
    asked(sim, "POST", IMAGES) + asked(sim, "POST", VIDEOS)
}

pub(crate) fn boat() -> ImageRequest {
    ImageRequest::new("comfyui/flux", "a paper boat")
}

pub(crate) fn drifting_boat() -> VideoRequest {
    VideoRequest::new("google-cloud/veo2-text2video", "a paper boat drifts")
}

/// All events of a job, to its end.
pub(crate) async fn told<P: ProviderAdapter>(provider: &P, job: Job) -> Vec<JobEvent> {
    let events = provider.watch(job).collect();
    tokio::time::timeout(ms(20_000), events).await.expect("a watch ends")
}

pub(crate) fn last(events: &[JobEvent]) -> JobEventKind {
    events.last().unwrap().kind
}

/// An error and all its sources, in every form that could be printed.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    chain.map(|error| format!("{error} {error:?} {error:#?}\n")).collect()
}
