//! What the provider refuses, and what is refused before the provider is asked (AIC-10).

use std::time::{Duration, SystemTime};

use buttress_provider::{
    AspectRatio, FileId, ImageRequest, ProviderAdapter, ProviderError, ProviderErrorKind as Kind, Reference,
    ReferenceKind, VideoRequest,
};
use buttress_superduperai::{SuperDuperAi, Token};
use superduperai_sim::{Settings, Simulator, UnknownModel, VipRefusal};

use crate::support::*;

fn fields(error: &ProviderError) -> Vec<&str> {
    error.fields().iter().map(|fault| fault.field.as_ref()).collect()
}

fn of(kind: ReferenceKind, id: &str) -> Reference {
    Reference { kind, file_id: id.parse().unwrap() }
}

/// A picture ordered from a provider that answers like this; nothing of it is looked up.
async fn refused(status: u16, body: &'static str) -> ProviderError {
    let (sim, provider) = pair().await;
    sim.add_fault(post(IMAGES, scripted(status).body(body)));
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((paid_calls(&sim), asked(&sim, "GET", FILES)), (1, 0), "a refusal is definite");
    error
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_unauthorized_everywhere() {
    let sim = start(Settings::default()).await;
    let url = sim.url().parse().unwrap();
    let provider = SuperDuperAi::connect(url, Token::new("another").unwrap()).unwrap();
    let id = "0d5b1c8e-4f0a-4b52-9a5e-2f6f3b8e7a10".parse().unwrap();
    for error in [
        provider.create_image_job(boat()).await.unwrap_err(),
        provider.get_job_status(&id).await.unwrap_err(),
        provider.models().await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.retryable()), (Kind::Unauthorized, false));
    }
    assert_eq!(paid_calls(&sim), 0);
}

// quirk 24
#[tokio::test]
async fn too_little_credit_is_told_as_such() {
    let sim = start(Settings::default().balance(0.5)).await;
    let error = provider(&sim).create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::InsufficientCredit, false));
    assert_eq!((sim.jobs().len(), asked(&sim, "GET", FILES)), (0, 0));
}

// quirk 25
#[tokio::test]
async fn a_model_of_a_higher_plan_never_looks_like_a_broken_token() {
    let sim = start(Settings::default().vip(false)).await;
    let error = provider(&sim).create_video_job(drifting_boat()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InsufficientCredit);
    assert!(error.message().contains("plan"));

    sim.change(|settings| settings.vip_refusal(VipRefusal::Forbidden));
    let error = provider(&sim).create_video_job(drifting_boat()).await.unwrap_err();
    assert_eq!((error.kind(), fields(&error)), (Kind::Rejected, vec!["model"]));

    // For a model that is open to all, 403 is about us.
    assert_eq!(refused(403, "").await.kind(), Kind::Unauthorized);
}

/// A list with one model more than the provider takes.
fn list_with_a_ghost(sim: &Simulator) {
    let body = r#"{"items":[{"name":"a/ghost","type":"text_to_image","params":{}}],"next":null}"#;
    sim.add_fault(get(MODELS, scripted(200).body(body)));
}

#[tokio::test]
async fn a_model_that_is_gone_is_the_callers_field_and_the_list_is_renewed() {
    for answer in [UnknownModel::NotFound, UnknownModel::Unprocessable] {
        let sim = start(Settings::default().unknown_model(answer)).await;
        let provider = provider(&sim);
        list_with_a_ghost(&sim);
        let error = provider.create_image_job(ImageRequest::new("a/ghost", "boo")).await.unwrap_err();
        assert_eq!((error.kind(), fields(&error)), (Kind::Rejected, vec!["model"]));
        assert!(error.message().contains("Generation config not found"));

        let error = provider.create_image_job(ImageRequest::new("a/ghost", "boo")).await.unwrap_err();
        assert_eq!((error.kind(), paid_calls(&sim)), (Kind::Invalid, 1));
    }
}

// quirks 14 and 16
#[tokio::test]
async fn a_conflict_names_the_references_if_there_were_any() {
    let (sim, provider) = pair().await;
    sim.conflict_next_job();
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable(), fields(&error)), (Kind::Rejected, false, vec![]));
    assert!(error.message().contains("Integrity error"));

    let mut request = VideoRequest::new("comfyui/ltx", "move");
    request.references = vec![of(ReferenceKind::Source, "f42dabfb-eb51-4f86-9d34-87d4f15a65c7")];
    let error = provider.create_video_job(request).await.unwrap_err();
    assert_eq!((error.kind(), fields(&error)), (Kind::Rejected, vec!["references"]));
    assert_eq!(paid_calls(&sim), 2, "neither is tried again");
}

#[tokio::test]
async fn schema_violations_name_the_callers_fields_and_not_those_it_never_set() {
    let missing = refused(422, include_str!("../fixtures/validation-error-422.json")).await;
    assert_eq!((missing.kind(), fields(&missing)), (Kind::Rejected, vec!["model"]));
    assert_eq!(missing.to_problem().status(), 422);
    assert!(!in_full(&missing).contains("paper boat"), "the input is dropped");

    // quirk 15
    for body in [
        include_str!("../fixtures/validation-error-422-enum.json"),
        include_str!("../fixtures/validation-error-422-literal.json"),
    ] {
        let error = refused(422, body).await;
        assert_eq!((error.kind(), fields(&error)), (Kind::Rejected, vec![]));
        assert_eq!(error.to_problem().status(), 502);
    }
    let error = refused(422, r#"{"detail":[{"loc":["body","config","steps"],"msg":"too many"}]}"#).await;
    assert_eq!(fields(&error), Vec::<&str>::new());
}

// quirk 23
#[tokio::test]
async fn other_refusals_are_rejections_whatever_their_body() {
    let text = refused(400, include_str!("../fixtures/error-400-invalid-payload.json")).await;
    assert_eq!(text.message(), "the provider refused the request (Invalid payload)");
    for (status, body) in [(400, "<html>"), (422, ""), (405, "{}"), (418, "{\"detail\":7}"), (451, "[]")] {
        let error = refused(status, body).await;
        assert_eq!((error.kind(), error.message()), (Kind::Rejected, "the provider refused the request"));
        assert!(!error.retryable());
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_not_understood() {
    let (sim, provider) = pair().await;
    let to = format!("{}/api/v1/ping", sim.url());
    sim.add_fault(post(IMAGES, scripted(307).header("location", &to)));
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), asked(&sim, "POST", "/api/v1/ping")), (Kind::Decode, 0));
}

#[tokio::test]
async fn being_asked_to_slow_down_keeps_the_wait_in_both_its_forms() {
    let (sim, provider) = pair().await;
    let slow = |value: &str| post(IMAGES, scripted(429).header("retry-after", value));
    sim.add_fault(slow("7"));
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), error.delay(), error.retryable()), (Kind::RateLimited, Some(ms(7_000)), true));

    let date = http_date(SystemTime::now() + Duration::from_secs(60));
    sim.add_fault(slow(&date));
    let delay = provider.create_image_job(boat()).await.unwrap_err().delay().unwrap();
    assert!((57..=60).contains(&delay.as_secs()), "{delay:?}");

    sim.add_fault(slow("soon"));
    assert_eq!(provider.create_image_job(boat()).await.unwrap_err().delay(), None);
    assert_eq!((paid_calls(&sim), asked(&sim, "GET", FILES)), (3, 0));
}

/// Written by hand, so that the reader is not tested with its own writer.
fn http_date(moment: SystemTime) -> String {
    let seconds = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // 1970-01-01 was a Thursday; days to a date after Howard Hinnant.
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let name = names[month as usize - 1];
    format!("{weekday}, {day:02} {name} {year} {:02}:{:02}:{:02} GMT", time / 3_600, time / 60 % 60, time % 60)
}

/// What the provider would take with 200 and fail minutes later, or refuse.
fn invalid_images() -> Vec<(ImageRequest, &'static [&'static str])> {
    let with = |change: fn(&mut ImageRequest)| {
        let mut request = boat();
        change(&mut request);
        request
    };
    vec![
        (ImageRequest::new("comfyui/fluxx", "x"), &["model"]),
        (ImageRequest::new("comfyui/ltx", "x"), &["model"]),
        (ImageRequest::new("comfyui/flux", " \n"), &["prompt"]),
        (with(|request| request.width = Some(0)), &["width"]),
        (with(|request| request.height = Some(2_501)), &["height"]),
        (with(|request| request.steps = Some(0)), &["steps"]),
        (with(|request| request.steps = Some(151)), &["steps"]),
        (with(|request| request.seed = Some(1 << 63)), &["seed"]),
        (ImageRequest::new("fal-ai/flux-pro/kontext", "x"), &["references"]),
        (with(|request| request.references = vec![of(ReferenceKind::Source, "f")]), &["references[0].type"]),
    ]
}

fn invalid_videos() -> Vec<(VideoRequest, &'static [&'static str])> {
    let with = |change: fn(&mut VideoRequest)| {
        let mut request = drifting_boat();
        change(&mut request);
        request
    };
    let sora = |ratio: Option<AspectRatio>, size: (Option<u32>, Option<u32>)| {
        let mut request = VideoRequest::new("azure-openai/sora", "x");
        (request.aspect_ratio, request.width, request.height) = (ratio, size.0, size.1);
        request
    };
    vec![
        (VideoRequest::new("comfyui/flux", "x"), &["model"]),
        (VideoRequest::new("google-cloud/veo2-text2video", ""), &["prompt"]),
        (with(|request| request.duration = Some(ms(9_000))), &["duration"]),
        (with(|request| request.duration = Some(ms(5_500))), &["duration"]),
        (with(|request| request.duration = Some(Duration::ZERO)), &["duration"]),
        (VideoRequest::new("comfyui/ltx", "move"), &["references"]),
        (VideoRequest::new("comfyui/lip-sync", ""), &["references", "references"]),
        (with(|request| request.references = vec![of(ReferenceKind::Source, "f")]), &["references[0].type"]),
        (sora(None, (None, None)), &["aspectRatio"]),
        (sora(AspectRatio::new(9, 16), (None, None)), &["aspectRatio"]),
        (sora(AspectRatio::new(4, 3), (None, None)), &["aspectRatio"]),
        (sora(AspectRatio::new(16, 9), (Some(1_920), Some(1_088))), &["width"]),
        (sora(AspectRatio::new(16, 9), (Some(1_920), None)), &["width"]),
    ]
}

// quirks 7, 8 and 30
#[tokio::test]
async fn what_could_only_fail_is_refused_without_a_paid_call() {
    let (sim, provider) = pair().await;
    for (request, expected) in invalid_images() {
        let error = provider.create_image_job(request.clone()).await.unwrap_err();
        assert_eq!((error.kind(), fields(&error).as_slice()), (Kind::Invalid, expected), "{request:?}");
    }
    for (request, expected) in invalid_videos() {
        let error = provider.create_video_job(request.clone()).await.unwrap_err();
        assert_eq!((error.kind(), fields(&error).as_slice()), (Kind::Invalid, expected), "{request:?}");
    }
    assert_eq!((paid_calls(&sim), sim.jobs().len()), (0, 0));
    assert_eq!(asked(&sim, "GET", MODELS), 1);
}

#[tokio::test]
async fn all_faults_are_told_at_once_and_near_names_are_suggested() {
    let (_sim, provider) = pair().await;
    let mut request = ImageRequest::new("google-cloud/imagen-4", "");
    (request.width, request.height, request.steps) = (Some(0), Some(9_999), Some(1_000));
    request.seed = Some(u64::MAX);
    let error = provider.create_image_job(request).await.unwrap_err();
    assert_eq!(fields(&error), ["model", "prompt", "width", "height", "seed", "steps"]);
    assert!(error.fields()[0].problem.contains("google-cloud/imagen4"), "{}", error.fields()[0]);
    assert!(!error.fields()[0].problem.contains("sora"), "videos are not suggested for a picture");
    assert_eq!(error.to_problem().code().as_str(), "validation_failed");
}

#[tokio::test]
async fn what_sora_can_make_passes() {
    let (sim, provider) = pair().await;
    let mut request = VideoRequest::new("azure-openai/sora", "a boat");
    request.aspect_ratio = AspectRatio::new(16, 9);
    (request.width, request.height) = (Some(1_920), Some(1_080));
    let job = provider.create_video_job(request.clone()).await.unwrap();
    assert_eq!(last(&told(&provider, job).await), buttress_provider::JobEventKind::Completed);
    (request.width, request.height) = (None, None);
    request.aspect_ratio = AspectRatio::new(1, 1);
    let job = provider.create_video_job(request).await.unwrap();
    assert_eq!(last(&told(&provider, job).await), buttress_provider::JobEventKind::Completed);
    assert_eq!(sim.jobs().len(), 2);
}

#[tokio::test]
async fn a_reference_that_is_gone_is_a_field_of_the_picture_too() {
    let (_sim, provider) = pair().await;
    let mut request = boat();
    let gone: FileId = "f42dabfb-eb51-4f86-9d34-87d4f15a65c7".parse().unwrap();
    request.references = vec![Reference { kind: ReferenceKind::Style, file_id: gone }];
    let error = provider.create_image_job(request).await.unwrap_err();
    assert_eq!((error.kind(), fields(&error)), (Kind::Rejected, vec!["references"]));
}
