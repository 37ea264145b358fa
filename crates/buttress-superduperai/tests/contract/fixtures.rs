//! Every captured shape of the provider's wire, through the front door.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use buttress_provider::{
    Artifact, Cost, FileId, ImageRequest, Job, JobId, JobStatus, MediaKind, ProviderAdapter, ProviderError,
    ProviderErrorKind as Kind, Reference, ReferenceKind, Schedule, Upload, VideoRequest,
};
use buttress_superduperai::{EventChannel, HttpService, Operation, RequestBody, SuperDuperAi};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;
use tower::service_fn;

use crate::support::*;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name))
    };
}

const IMAGE: &str = "01198142-a1f4-4a57-bbe9-05086083c3d4";
const VIDEO: &str = "60894490-2e87-4bef-b623-ec8c6d543248";

fn models() -> Response<Full<Bytes>> {
    answer(200, fixture!("models-all-21.json"))
}

fn id_of(file: &str) -> JobId {
    let file: Value = serde_json::from_str(file).unwrap();
    file["id"].as_str().unwrap().parse().unwrap()
}

async fn status(file: &'static str) -> Job {
    canned(move |_, _| answer(200, file)).get_job_status(&id_of(file)).await.unwrap()
}

async fn result(file: &'static str) -> Result<Artifact, ProviderError> {
    let provider = canned(move |head, _| if head.uri.path().contains("/file/") { answer(200, file) } else { models() });
    provider.get_job_result(&id_of(file)).await
}

#[tokio::test]
async fn files_tell_how_their_jobs_stand() {
    let table = [
        (fixture!("file-in-progress-image.json"), MediaKind::Image, JobStatus::Running),
        (fixture!("file-in-progress.json"), MediaKind::Video, JobStatus::Running),
        (fixture!("file-completed-image.json"), MediaKind::Image, JobStatus::Completed),
        (fixture!("file-completed-video.json"), MediaKind::Video, JobStatus::Completed),
        (fixture!("file-failed-image.json"), MediaKind::Image, JobStatus::Failed),
        (fixture!("file-failed.json"), MediaKind::Video, JobStatus::Failed),
        (fixture!("file-upload-response.json"), MediaKind::Image, JobStatus::Completed),
    ];
    for (file, kind, expected) in table {
        let job = status(file).await;
        assert_eq!((job.kind, job.status), (kind, expected), "{file}");
    }
}

#[tokio::test]
async fn a_sound_is_no_job_of_ours() {
    let file = fixture!("audio-create-response.json");
    let error = canned(move |_, _| answer(200, file)).get_job_status(&id_of(file)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Decode);
}

// quirks 3 and 11
#[tokio::test]
async fn finished_files_are_described() {
    let picture = result(fixture!("file-completed-image.json")).await.unwrap();
    assert_eq!((picture.width, picture.height, picture.cost), (Some(1_024), Some(1_024), Some(Cost::credits(1.0))));
    assert_eq!((picture.media_type.as_ref(), picture.id.as_str()), ("image/webp", IMAGE));
    assert!(picture.thumbnail_url.unwrap().contains("/uploaded/image/"));

    let video = result(fixture!("file-completed-video.json")).await.unwrap();
    assert_eq!((video.width, video.height, video.cost), (None, None, Some(Cost::credits(2.0))));
    assert_eq!((video.media_type.as_ref(), video.duration), ("video/mp4", Some(ms(5_000))));

    let failed = result(fixture!("file-failed.json")).await.unwrap_err();
    assert_eq!(failed.kind(), Kind::JobFailed);
    let running = result(fixture!("file-in-progress.json")).await.unwrap_err();
    assert_eq!(running.kind(), Kind::NotFinished);
}

/// Answers the creation with a fixture.
async fn created_image(body: &'static str) -> Job {
    let provider = canned(move |head, _| if head.method == "POST" { answer(200, body) } else { models() });
    provider.create_image_job(boat()).await.unwrap()
}

// quirks 1 and 2
#[tokio::test]
async fn creations_give_the_first_file_whether_they_come_as_list_or_object() {
    for (body, id) in [
        (fixture!("image-create-response.json"), "01198142-a1f4-4a57-bbe9-05086083c3d4"),
        (fixture!("image-create-response-batch3.json"), "d2d1137e-c0f8-4259-a06b-6544d1e128cf"),
    ] {
        let job = created_image(body).await;
        assert_eq!((job.id.as_str(), job.kind), (id, MediaKind::Image));
    }
    assert_eq!(created_image(fixture!("image-inpaint-create-response.json")).await.kind, MediaKind::Image);
    assert_eq!(created_image(fixture!("file-in-progress-image.json")).await.id.as_str(), IMAGE);

    for body in [fixture!("video-create-response.json"), fixture!("video-create-response-i2v.json")] {
        let provider = canned(move |head, _| if head.method == "POST" { answer(200, body) } else { models() });
        let job = provider.create_video_job(drifting_boat()).await.unwrap();
        assert_eq!((job.id, job.kind, job.status), (id_of(body), MediaKind::Video, JobStatus::Queued));
    }
}

#[tokio::test]
async fn an_upload_gives_a_file_id_and_an_address() {
    let provider = canned(|_, _| answer(200, fixture!("file-upload-response.json")));
    let upload = Upload::new("image/png", Full::new(Bytes::from_static(b"x")));
    let file = provider.upload(upload).await.unwrap();
    assert_eq!(file.file_id.as_str(), "f42dabfb-eb51-4f86-9d34-87d4f15a65c7");
    assert!(file.url.unwrap().ends_with(".png"));
}

#[tokio::test]
async fn lists_of_models_are_read_page_by_page() {
    for (list, expected) in [(fixture!("models-all-21.json"), 21), (fixture!("models-page-last.json"), 1)] {
        let provider = canned(move |_, _| answer(200, list));
        assert_eq!(provider.models().await.unwrap().len(), expected);
    }
}

#[tokio::test]
async fn a_list_of_files_is_looked_through() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let provider = canned(move |head, _| {
        log.lock().unwrap().push(head.uri.path_and_query().unwrap().to_string());
        match head.uri.path() {
            "/base/api/v1/generation-config" => models(),
            "/base/api/v1/file" => answer(200, fixture!("files-page.json")),
            _ => answer(500, fixture!("error-500.txt")),
        }
    });
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "neither file of the page is of this order");
    let seen = seen.lock().unwrap();
    assert!(seen[2].starts_with("/base/api/v1/file?types=image&order_by=created_at&order=descendent&limit=50"));
}

#[tokio::test]
async fn refusals_keep_their_meaning() {
    let table = [
        (400, fixture!("error-400-invalid-payload.json"), Kind::Rejected),
        (401, fixture!("error-401.json"), Kind::Unauthorized),
        (402, fixture!("error-402.json"), Kind::InsufficientCredit),
        (404, fixture!("error-404-generation-config.json"), Kind::Rejected),
        (404, fixture!("error-404-unknown-path.json"), Kind::Rejected),
        (404, fixture!("error-404.json"), Kind::Rejected),
        (409, fixture!("error-409-integrity.json"), Kind::Rejected),
        (422, fixture!("validation-error-422.json"), Kind::Rejected),
        (422, fixture!("validation-error-422-enum.json"), Kind::Rejected),
        (422, fixture!("validation-error-422-literal.json"), Kind::Rejected),
        (500, fixture!("error-500.txt"), Kind::UnknownOutcome),
        (524, fixture!("error-524-cloudflare.txt"), Kind::UnknownOutcome),
    ];
    for (status, body, kind) in table {
        let provider = canned(move |head, _| if head.method == "POST" { answer(status, body) } else { models() });
        let mut request = boat();
        request.seed = Some(1);
        let error = provider.create_image_job(request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}");
    }
    let missing = canned(|_, _| answer(404, fixture!("error-404.json")));
    assert_eq!(missing.get_job_status(&IMAGE.parse().unwrap()).await.unwrap_err().kind(), Kind::NotFound);
}

/// The body that a request becomes.
async fn sent_image(request: ImageRequest) -> Value {
    sent(move |provider| async move { provider.create_image_job(request).await }).await
}

async fn sent_video(request: VideoRequest) -> Value {
    sent(move |provider| async move { provider.create_video_job(request).await }).await
}

async fn sent<F, R>(call: F) -> Value
where
    F: FnOnce(SuperDuperAi<AnyService>) -> R,
    R: Future<Output = Result<Job, ProviderError>>,
{
    let seen = Arc::new(Mutex::new(Value::Null));
    let log = Arc::clone(&seen);
    let provider = canned(move |head, body| {
        if head.method != "POST" {
            return models();
        }
        *log.lock().unwrap() = serde_json::from_slice(body).unwrap();
        answer(200, fixture!("image-create-response.json"))
    });
    call(provider).await.unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

/// What the provider takes a missing key for.
fn means_nothing(key: &str, value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty) || (key == "negative_prompt" && value == "")
}

/// Field by field: what is in both is equal, what we leave out means nothing, what we add is seed and batch size.
fn check(sent: &Value, fixture: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    assert_eq!(sent.as_object().unwrap().len(), 1, "only the config is sent: {sent}");
    for (key, value) in fixture.as_object().unwrap() {
        assert!(key == "config" || value.is_null());
    }
    let (ours, theirs) = (sent["config"].as_object().unwrap(), fixture["config"].as_object().unwrap());
    for (key, value) in theirs {
        match ours.get(key) {
            Some(sent) => assert_eq!(sent, value, "{key}"),
            None => assert!(means_nothing(key, value), "{key} is left out"),
        }
    }
    for key in ours.keys().filter(|key| !theirs.contains_key(*key)) {
        assert!(["seed", "batch_size"].contains(&key.as_str()), "{key} is one too many");
    }
}

fn of(kind: ReferenceKind, id: &str) -> Reference {
    Reference { kind, file_id: id.parse::<FileId>().unwrap() }
}

// quirks 5, 13, 15 and 18
#[tokio::test]
async fn request_bodies_are_those_of_the_fixtures() {
    let dawn = || ImageRequest::new("comfyui/flux", "A paper boat on a calm lake at dawn");
    check(&sent_image(dawn()).await, fixture!("generate-image-request-minimal.json"));

    let full = |mut request: ImageRequest, seed| {
        (request.width, request.height, request.steps) = (Some(1_024), Some(1_024), Some(20));
        request.seed = Some(seed);
        request
    };
    check(&sent_image(full(dawn(), 418_230_957_711)).await, fixture!("generate-image-request.json"));

    let mut inpaint = ImageRequest::new("comfyui/flux/inpainting", "Replace the sail with a red one");
    inpaint.references = vec![
        of(ReferenceKind::Mask, "d295093a-57ba-4ed7-af9a-81d923cebca9"),
        of(ReferenceKind::Source, "80b7cb03-a826-43b7-ba66-276f8f8b3571"),
    ];
    check(&sent_image(full(inpaint, 418_230_957_712)).await, fixture!("generate-image-inpaint-request.json"));
}

// quirks 10 and 18
#[tokio::test]
async fn request_bodies_of_videos_are_those_of_the_fixtures() {
    let mut text = VideoRequest::new("google-cloud/veo2-text2video", "A paper boat drifts slowly across the lake");
    text.duration = Some(ms(5_000));
    (text.width, text.height, text.seed) = (Some(1_280), Some(720), Some(903_417_722_015));
    text.aspect_ratio = "16:9".parse().ok();
    check(&sent_video(text).await, fixture!("generate-video-request.json"));

    let mut animate = VideoRequest::new("comfyui/ltx", "move");
    (animate.duration, animate.seed) = (Some(ms(5_000)), Some(903_417_722_016));
    animate.aspect_ratio = "16:9".parse().ok();
    animate.references = vec![of(ReferenceKind::Source, IMAGE)];
    check(&sent_video(animate).await, fixture!("generate-video-i2v-request.json"));

    let mut lips = VideoRequest::new("comfyui/lip-sync", "");
    lips.duration = Some(ms(5_000));
    lips.references =
        vec![of(ReferenceKind::Source, VIDEO), of(ReferenceKind::Voice, "f69f3fc0-94e3-4a01-9b6f-8fdf181f37c4")];
    check(&sent_video(lips).await, fixture!("generate-video-lipsync-request.json"));
}

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// A provider with one line of events, whose content comes a second after it was opened, and a job that never ends;
/// and the number of looks at that job.
fn listening(id: &str, events: &'static str) -> (SuperDuperAi<impl HttpService>, Arc<AtomicUsize>) {
    let looks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looks);
    let running = fixture!("file-in-progress.json").replace("e253411d-b1fd-42d9-befd-fbb024e2d956", id);
    let service = service_fn(move |request: Request<RequestBody>| {
        let body: AnyBody = if request.extensions().get() == Some(&Operation::Events) {
            let content = stream::once(async {
                tokio::time::sleep(ms(1_000)).await;
                Ok(Frame::data(events.into()))
            });
            StreamBody::new(content).boxed_unsync()
        } else {
            counter.fetch_add(1, Ordering::Relaxed);
            Full::new(running.clone().into()).boxed_unsync()
        };
        let response = Response::builder().header("content-type", "text/event-stream").body(body);
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    });
    let provider = SuperDuperAi::new("https://example.com".parse().unwrap(), "t".parse().unwrap(), service);
    // One line only, and no look of its own accord.
    let channel = EventChannel::default().reconnect(ms(60_000), ms(60_000)).unwrap();
    let schedule = Schedule::default().cap(ms(60_000)).unwrap().first(ms(60_000)).unwrap().deadline(ms(10_000));
    (provider.events(channel).schedule(MediaKind::Video, schedule), looks)
}

// quirk 2
#[tokio::test(start_paused = true)]
async fn event_streams_of_every_kind_lead_to_a_look_when_they_are_about_the_job() {
    const FAILED: &str = "e253411d-b1fd-42d9-befd-fbb024e2d956";
    let table = [
        (VIDEO, fixture!("sse-video-success.txt"), true),
        (FAILED, fixture!("sse-video-failure.txt"), true),
        (IMAGE, fixture!("sse-image-success.txt"), true),
        (IMAGE, fixture!("sse-image-success-with-task.txt"), true),
        (IMAGE, fixture!("sse-documented-dialect.txt"), true),
        (IMAGE, fixture!("sse-project-mixed.txt"), true),
        (IMAGE, fixture!("sse-heartbeat-only.txt"), false),
        (IMAGE, fixture!("sse-test-mode.txt"), false),
        (VIDEO, fixture!("sse-image-success.txt"), false),
    ];
    for (id, events, about_us) in table {
        let (provider, looks) = listening(id, events);
        let job = Job::new(id.parse().unwrap(), MediaKind::Video);
        provider.watch(job).for_each(|_| std::future::ready(())).await;
        // A line that opens leads to one look by itself, as does the deadline; what it says, to one more.
        assert_eq!(looks.load(Ordering::Relaxed), 2 + usize::from(about_us), "{events}");
    }
}

#[tokio::test(start_paused = true)]
async fn render_events_without_an_owner_bring_their_figures() {
    let (provider, _) = listening(VIDEO, fixture!("sse-video-progress.txt"));
    let events: Vec<_> = provider.watch(Job::new(VIDEO.parse().unwrap(), MediaKind::Video)).collect().await;
    let mut figures: Vec<_> = events.iter().filter_map(|event| event.progress).collect();
    figures.dedup();
    assert_eq!(figures, [0.0, 0.25, 0.5, 0.75, 1.0]);
}
