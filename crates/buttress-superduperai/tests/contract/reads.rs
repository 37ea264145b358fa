//! Looking after a job that exists.

use buttress_provider::{Job, JobStatus, ProviderAdapter, ProviderErrorKind as Kind};
use superduperai_sim::{Settings, Simulator, Then};

use crate::support::*;

/// A job that will not end during the test.
async fn slow_job() -> (Simulator, Provider, Job) {
    let sim = Simulator::start(Settings::default().step(ms(60_000))).await.unwrap();
    let provider = provider(&sim);
    let job = provider.create_image_job(boat()).await.unwrap();
    (sim, provider, job)
}

#[tokio::test]
async fn a_job_that_nobody_knows_is_not_found() {
    let (_sim, provider) = pair().await;
    let id = "0d5b1c8e-4f0a-4b52-9a5e-2f6f3b8e7a10".parse().unwrap();
    assert_eq!(provider.get_job_status(&id).await.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(provider.get_job_result(&id).await.unwrap_err().kind(), Kind::NotFound);
}

// quirk 20
#[tokio::test]
async fn a_job_under_way_runs_and_has_no_result() {
    let (_sim, provider, job) = slow_job().await;
    let seen = provider.get_job_status(&job.id).await.unwrap();
    assert_eq!((seen.status, seen.step.as_deref()), (JobStatus::Running, Some("generating")));
    let error = provider.get_job_result(&job.id).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::NotFinished, true));
}

// AIC-4, quirk 23
#[tokio::test]
async fn trouble_of_the_provider_is_retryable_and_keeps_its_wait() {
    let (sim, provider, job) = slow_job().await;
    let table = [
        (500, Kind::Unavailable),
        (502, Kind::Unavailable),
        (503, Kind::Unavailable),
        (523, Kind::Unavailable),
        (408, Kind::Timeout),
        (504, Kind::Timeout),
        (524, Kind::Timeout),
        (429, Kind::RateLimited),
    ];
    for (status, kind) in table {
        let body = scripted(status).header("retry-after", "3").body("<html>not JSON</html>");
        sim.add_fault(get(ONE_FILE, body));
        let error = provider.get_job_status(&job.id).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable(), error.delay()), (kind, true, Some(ms(3_000))), "{status}");
        assert!(!error.message().contains("html"));
    }
}

#[tokio::test]
async fn broken_connections_are_retryable_and_nonsense_is_not() {
    let (sim, provider, job) = slow_job().await;
    let other = include_str!("../fixtures/file-in-progress-image.json");
    let huge = format!("{{\"id\":\"{}\"}}", "x".repeat(1 << 20));
    let table: [(Then, Kind); 9] = [
        (Then::DropBefore, Kind::Unavailable),
        (Then::DropAfter(20), Kind::Unavailable),
        (scripted(200).body("{").into(), Kind::Decode),
        (scripted(200).body("").into(), Kind::Decode),
        (scripted(200).body("[]").into(), Kind::Decode),
        (scripted(204).into(), Kind::Decode),
        (scripted(302).header("location", "/elsewhere").into(), Kind::Decode),
        (scripted(200).body(other).into(), Kind::Decode),
        (scripted(200).body(huge).into(), Kind::Decode),
    ];
    for (then, kind) in table {
        let shown = format!("{then:.80?}");
        sim.add_fault(get(ONE_FILE, then));
        let error = provider.get_job_status(&job.id).await.unwrap_err();
        assert_eq!((error.kind(), error.retryable()), (kind, kind == Kind::Unavailable), "{shown}");
    }
    assert_eq!(asked(&sim, "GET", "/elsewhere"), 0);
    assert!(provider.get_job_status(&job.id).await.is_ok(), "the next look is as good as any");
}

// AIC-17
#[tokio::test]
async fn a_look_that_is_not_answered_ends_in_time() {
    let (sim, provider, job) = slow_job().await;
    let provider = provider.timeouts(ms(100), ms(1_000)).unwrap();
    sim.add_fault(get(ONE_FILE, Then::Hang));
    let started = tokio::time::Instant::now();
    let error = provider.get_job_status(&job.id).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable()), (Kind::Timeout, true));
    assert!(started.elapsed() < ms(900));
}

#[tokio::test]
async fn a_result_without_a_price_list_is_a_result() {
    let (sim, provider) = pair().await;
    let job = provider.create_image_job(boat()).await.unwrap();
    told(&provider, job.clone()).await;
    // Another process, which never saw the list, and cannot get it.
    let fresh = self::provider(&sim);
    sim.add_fault(get(MODELS, scripted(500)).times(9));
    let artifact = fresh.get_job_result(&job.id).await.unwrap();
    assert_eq!((artifact.id.as_str(), artifact.cost), (job.id.as_str(), None));
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let (_sim, provider) = pair().await;
    assert!(provider.clone().timeouts(ms(0), ms(1)).is_err());
    assert!(provider.clone().timeouts(ms(2), ms(1)).is_err());
    assert!(provider.clone().upload_timeouts(ms(0), ms(1)).is_err());
    assert!(provider.clone().upload_timeouts(ms(1), ms(0)).is_err());
    assert!(provider.timeouts(ms(1), ms(1)).is_ok());
}
