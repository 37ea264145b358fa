//! Jobs that succeed.

use std::{collections::BTreeSet, time::Duration};

use buttress_provider::{
    Cost, FileId, ImageRequest, JobEventKind, JobStatus, MediaKind, ProviderAdapter, ProviderErrorKind,
    ProviderService, Reference, ReferenceKind, Upload, VideoRequest,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::Full;
use serde_json::Value;
use superduperai_sim::Settings;
use tower::ServiceExt;

use crate::support::*;

/// Enough of a PNG to be taken for one.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

async fn uploaded(provider: &Provider, media_type: &'static str) -> FileId {
    provider.upload(Upload::new(media_type, Full::new(Bytes::from_static(PNG)))).await.unwrap().file_id
}

fn reference(kind: ReferenceKind, file_id: FileId) -> Reference {
    Reference { kind, file_id }
}

fn kinds(events: &[buttress_provider::JobEvent]) -> Vec<JobEventKind> {
    let mut kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    kinds.dedup();
    kinds
}

// quirk 1
#[tokio::test]
async fn a_picture_is_made_told_about_and_described() {
    let (sim, provider) = pair().await;
    let job = provider.create_image_job(boat()).await.unwrap();
    assert_eq!((job.kind, job.status.clone()), (MediaKind::Image, JobStatus::Queued));

    let events = told(&provider, job.clone()).await;
    use JobEventKind as Kind;
    assert_eq!(kinds(&events), [Kind::Queued, Kind::Progress, Kind::Artifact, Kind::Completed]);
    assert!(events.iter().all(|event| event.progress.is_none()), "no figure is invented");

    let artifact = provider.get_job_result(&job.id).await.unwrap();
    assert!(artifact.url.starts_with(sim.url()) && artifact.url.ends_with(".webp"), "{}", artifact.url);
    assert!(artifact.thumbnail_url.is_some());
    assert_eq!((artifact.width, artifact.height, artifact.duration), (Some(1_024), Some(1_024), None));
    assert_eq!((artifact.media_type.as_ref(), artifact.cost), ("image/webp", Some(Cost::credits(1.0))));
    assert_eq!((sim.jobs().len(), sim.balance()), (1, 999.0));
}

// quirks 1 and 10
#[tokio::test]
async fn a_video_is_made_and_costs_its_seconds() {
    let (sim, provider) = pair().await;
    let mut request = drifting_boat();
    request.duration = Some(Duration::from_secs(6));
    request.aspect_ratio = "16:9".parse().ok();
    let job = provider.create_video_job(request).await.unwrap();
    assert_eq!(job.kind, MediaKind::Video);
    assert_eq!(last(&told(&provider, job.clone()).await), JobEventKind::Completed);

    let artifact = provider.get_job_result(&job.id).await.unwrap();
    assert_eq!((artifact.kind, artifact.media_type.as_ref()), (MediaKind::Video, "video/mp4"));
    assert_eq!(artifact.cost, Some(Cost::credits(12.0)));
    assert!(artifact.duration.is_some());
    assert_eq!(sim.balance(), 988.0);
}

// quirks 6 and 7
#[tokio::test]
async fn an_uploaded_picture_is_set_in_motion_without_a_word() {
    let (sim, provider) = pair().await;
    let mut request = VideoRequest::new("comfyui/ltx", "");
    request.references = vec![reference(ReferenceKind::Source, uploaded(&provider, "image/png").await)];
    let job = provider.create_video_job(request).await.unwrap();
    assert_eq!(last(&told(&provider, job).await), JobEventKind::Completed);
    assert_eq!(sim.jobs().len(), 1);
}

#[tokio::test]
async fn a_finished_picture_is_a_source_too() {
    let (_sim, provider) = pair().await;
    let picture = provider.create_image_job(boat()).await.unwrap();
    told(&provider, picture.clone()).await;
    let mut request = VideoRequest::new("comfyui/ltx", "move");
    request.references = vec![reference(ReferenceKind::Source, picture.id.into())];
    let job = provider.create_video_job(request).await.unwrap();
    assert_eq!(last(&told(&provider, job).await), JobEventKind::Completed);
}

#[tokio::test]
async fn inpainting_and_lip_sync_take_their_two_references() {
    let (_sim, provider) = pair().await;
    let (source, mask) = (uploaded(&provider, "image/png").await, uploaded(&provider, "image/png").await);
    let mut request = ImageRequest::new("comfyui/flux/inpainting", "a red sail");
    request.references = vec![reference(ReferenceKind::Mask, mask), reference(ReferenceKind::Source, source)];
    let job = provider.create_image_job(request).await.unwrap();
    assert_eq!(last(&told(&provider, job).await), JobEventKind::Completed);

    let (video, voice) = (uploaded(&provider, "video/mp4").await, uploaded(&provider, "audio/mpeg").await);
    let mut request = VideoRequest::new("comfyui/lip-sync", "");
    request.references = vec![reference(ReferenceKind::Source, video), reference(ReferenceKind::Voice, voice)];
    let job = provider.create_video_job(request).await.unwrap();
    assert_eq!(last(&told(&provider, job).await), JobEventKind::Completed);
}

// quirks 4, 9 and 19
#[tokio::test]
async fn parameters_are_flat_and_come_back_as_they_were_sent() {
    let (sim, provider) = pair().await;
    let mut request = boat();
    (request.width, request.height, request.steps) = (Some(512), Some(768), Some(30));
    (request.seed, request.negative_prompt) = (Some(i64::MAX as u64), Some("rain".into()));
    let job = provider.create_image_job(request).await.unwrap();
    told(&provider, job.clone()).await;
    let artifact = provider.get_job_result(&job.id).await.unwrap();
    assert_eq!((artifact.width, artifact.height), (Some(512), Some(768)));
    assert_eq!(sim.jobs()[0].seed, i64::MAX);
}

// quirk 28
#[tokio::test]
async fn every_job_has_a_seed_of_its_own_and_one_picture() {
    let (sim, provider) = pair().await;
    for _ in 0..5 {
        provider.create_image_job(boat()).await.unwrap();
    }
    let seeds: BTreeSet<_> = sim.jobs().iter().map(|job| job.seed).collect();
    assert_eq!((seeds.len(), sim.jobs().len()), (5, 5));
    assert!(seeds.iter().all(|seed| (1..100_000_000_000_000).contains(seed)));
    let sent: Value = serde_json::from_str(&sim.requests().last().unwrap().body).unwrap();
    assert_eq!(sent["config"]["batch_size"], 1);
}

#[tokio::test]
async fn calls_carry_what_the_provider_expects_and_no_more() {
    let (sim, provider) = pair().await;
    provider.create_image_job(boat()).await.unwrap();
    let requests = sim.requests();
    let create = requests.iter().find(|request| request.path == IMAGES).unwrap();
    assert_eq!(create.headers["authorization"], "Bearer ***");
    assert_eq!((create.headers["accept"].as_str(), create.query.as_deref()), ("application/json", None));
    assert_eq!(create.headers["content-type"], "application/json");
    assert_eq!(create.headers["content-length"], create.body.len().to_string());
    assert!(create.headers["user-agent"].starts_with("buttress-superduperai/"));
    assert!(!create.headers.contains_key("x-correlation-id"));
}

// quirk 8
#[tokio::test]
async fn a_job_that_fails_later_ends_with_a_text_although_the_provider_gives_none() {
    let (sim, provider) = pair().await;
    for video in [false, true] {
        sim.fail_next_job();
        let job = match video {
            false => provider.create_image_job(boat()).await.unwrap(),
            true => provider.create_video_job(drifting_boat()).await.unwrap(),
        };
        let events = told(&provider, job.clone()).await;
        assert_eq!(last(&events), JobEventKind::Failed);
        let error = events.last().unwrap().error.clone().unwrap();
        assert_eq!((error.code.as_ref(), error.retryable), ("job_failed", false));
        assert!(!error.message.is_empty());
        let error = provider.get_job_result(&job.id).await.unwrap_err();
        assert_eq!(error.kind(), ProviderErrorKind::JobFailed);
    }
    assert_eq!(sim.balance(), 1_000.0);
}

// quirk 27
#[tokio::test]
async fn a_job_that_is_unknown_at_first_is_waited_for() {
    let sim = start(Settings::default().visibility_delay(ms(60))).await;
    let provider = provider(&sim);
    let job = provider.create_image_job(boat()).await.unwrap();
    let error = provider.get_job_status(&job.id).await.unwrap_err();
    assert_eq!(error.kind(), ProviderErrorKind::NotFound);
    assert_eq!(last(&told(&provider, job).await), JobEventKind::Completed);
}

#[tokio::test]
async fn a_clone_shares_the_copy_of_the_model_list() {
    let (sim, provider) = pair().await;
    provider.create_image_job(boat()).await.unwrap();
    provider.clone().create_image_job(boat()).await.unwrap();
    assert_eq!(asked(&sim, "GET", MODELS), 1);
}

#[tokio::test]
async fn it_can_be_moved_shared_and_put_under_layers() {
    fn demand<T: Clone + Send + Sync + 'static>(_: &T) {}
    let (_sim, provider) = pair().await;
    demand(&provider);
    let job = ProviderService::new(provider.clone()).oneshot(boat()).await.unwrap();
    let watched = tokio::spawn(provider.watch(job).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(last(&watched), JobEventKind::Completed);
}
