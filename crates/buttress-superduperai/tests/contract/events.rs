//! The event channel and its faults: each costs time or a look, never a result (AIC-12).

use buttress_provider::{Job, JobEvent, JobEventKind as Kind, MediaKind, ProviderAdapter, Schedule};
use buttress_superduperai::EventChannel;
use futures_util::StreamExt;
use superduperai_sim::{Cut, EventMode, Lie, Settings, Simulator, Then};
use tokio::time::Instant;

use crate::support::*;

async fn create(provider: &Provider, kind: MediaKind) -> Job {
    match kind {
        MediaKind::Image => provider.create_image_job(boat()).await.unwrap(),
        _ => provider.create_video_job(drifting_boat()).await.unwrap(),
    }
}

fn faults() -> Vec<(&'static str, EventMode)> {
    let mode = EventMode::default;
    vec![
        ("a good day", mode()),
        ("silent", EventMode::silent()),
        ("heartbeats only", EventMode::heartbeat_only()),
        ("only with a project", mode().only_with_project(true)),
        ("524", mode().hang_524(ms(30))),
        ("cut before the first event", mode().cut(Cut::AfterEvents(0))),
        ("cut in the second event", mode().cut(Cut::AfterEvents(1))),
        ("cut in the first bytes", mode().cut(Cut::AfterBytes(3))),
        ("cut at once", mode().cut(Cut::AfterBytes(0))),
        ("late", mode().late(ms(200))),
        ("doubled", mode().duplicate(true)),
        ("out of order", mode().file_first(true)),
        ("lying", mode().lies(Lie::ALL)),
        ("documented dialect", mode().documented(true)),
        ("buffered a little", mode().buffer(4_096)),
        ("buffered for ever", mode().buffer(usize::MAX)),
        ("test mode", mode().test(true)),
        ("all at once", mode().lies(Lie::ALL).duplicate(true).file_first(true).late(ms(20)).cut(Cut::AfterEvents(3))),
    ]
}

/// Every stream of events: one first, one last, at most one artifact, nothing after the end.
fn check(name: &str, events: &[JobEvent], end: Kind) {
    let count = |kind: Kind| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!(events[0].kind, Kind::Queued, "{name}");
    assert_eq!(last(events), end, "{name}: {events:?}");
    assert_eq!(count(Kind::Queued), 1, "{name}");
    assert_eq!(count(Kind::Completed) + count(Kind::Failed), 1, "{name}");
    assert_eq!(count(Kind::Artifact), usize::from(end == Kind::Completed), "{name}");
}

// quirk 26
#[tokio::test]
async fn no_fault_of_the_channel_changes_how_a_job_ends() {
    let runs = faults().into_iter().map(|(name, mode)| async move {
        let sim = start(Settings::default().events(mode).heartbeat(ms(20))).await;
        let provider = provider(&sim);
        for kind in [MediaKind::Image, MediaKind::Video] {
            let job = create(&provider, kind).await;
            check(name, &told(&provider, job.clone()).await, Kind::Completed);
            assert_eq!(provider.get_job_result(&job.id).await.unwrap().kind, kind, "{name}");

            sim.fail_next_job();
            let job = create(&provider, kind).await;
            check(name, &told(&provider, job.clone()).await, Kind::Failed);
        }
        assert_eq!(sim.jobs().len(), 4, "{name}");
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn the_documented_dialect_brings_true_figures_and_no_other_does() {
    let sim = Simulator::start(Settings::default().step(ms(40)).events(EventMode::default().documented(true))).await;
    let sim = sim.unwrap();
    let provider = provider(&sim);
    let job = create(&provider, MediaKind::Video).await;
    let figures: Vec<f64> = told(&provider, job).await.iter().filter_map(|event| event.progress).collect();
    assert!(!figures.is_empty());
    assert!(figures.iter().all(|figure| (0.0..=1.0).contains(figure)), "{figures:?}");

    sim.set_events(EventMode::default());
    let job = create(&provider, MediaKind::Video).await;
    assert!(told(&provider, job).await.iter().all(|event| event.progress.is_none()));
}

/// Looks every half minute: only an event can make it quick.
fn rare(provider: Provider) -> Provider {
    let rare = Schedule::default()
        .first(ms(30_000))
        .unwrap_or_else(|_| Schedule::default().cap(ms(30_000)).unwrap().first(ms(30_000)).unwrap());
    provider.schedule(MediaKind::Image, rare.clone()).schedule(MediaKind::Video, rare)
}

#[tokio::test]
async fn an_event_makes_the_end_known_at_once() {
    let (sim, provider) = pair().await;
    let provider = rare(provider);
    for kind in [MediaKind::Image, MediaKind::Video] {
        let job = create(&provider, kind).await;
        let started = Instant::now();
        check("events alone", &told(&provider, job).await, Kind::Completed);
        assert!(started.elapsed() < ms(5_000), "{:?}", started.elapsed());
    }
    assert!(asked(&sim, "GET", EVENTS) >= 2);
}

#[tokio::test]
async fn a_line_that_was_cut_is_replaced_and_what_was_missed_is_looked_up() {
    let sim = start(Settings::default().events(EventMode::default().cut(Cut::AfterBytes(5)))).await;
    let provider = rare(provider(&sim));
    let job = create(&provider, MediaKind::Image).await;
    check("cut", &told(&provider, job).await, Kind::Completed);
    assert!(asked(&sim, "GET", EVENTS) >= 2, "it connected again");
}

// SSE-28
#[tokio::test]
async fn a_line_without_a_byte_is_replaced_and_one_with_heartbeats_is_not() {
    for (heartbeat, lines) in [(60_000, 3..1_000), (20, 1..2)] {
        let mode = EventMode::heartbeat_only();
        let sim =
            Simulator::start(Settings::default().step(ms(100)).events(mode).heartbeat(ms(heartbeat))).await.unwrap();
        let channel = EventChannel::default().silence(ms(60)).unwrap().reconnect(ms(1), ms(5)).unwrap();
        let provider = provider(&sim).events(channel);
        let job = create(&provider, MediaKind::Image).await;
        told(&provider, job).await;
        let opened = asked(&sim, "GET", EVENTS);
        assert!(lines.contains(&opened), "{opened} lines with a heartbeat each {heartbeat} ms");
    }
}

#[tokio::test]
async fn a_channel_that_never_answers_does_not_hold_up_the_looks() {
    let (sim, provider) = pair().await;
    sim.add_fault(get(EVENTS, Then::Hang).times(99));
    let job = create(&provider, MediaKind::Image).await;
    check("hang", &told(&provider, job).await, Kind::Completed);
}

// SSE-22, SSE-23, SSE-25
#[tokio::test]
async fn a_channel_that_is_refused_is_asked_for_once_and_one_in_trouble_again() {
    for (status, again) in
        [(204, false), (401, false), (404, false), (301, false), (200, false), (503, true), (429, true)]
    {
        let sim = Simulator::start(Settings::default().step(ms(40))).await.unwrap();
        let provider = provider(&sim);
        sim.add_fault(get(EVENTS, scripted(status)).times(99));
        let job = create(&provider, MediaKind::Image).await;
        check("refused", &told(&provider, job).await, Kind::Completed);
        let lines = asked(&sim, "GET", EVENTS);
        assert_eq!(lines > 1, again, "{lines} lines after {status}");
    }
}

// SSE-20
#[tokio::test]
async fn the_channel_is_that_of_the_file_and_asked_for_as_an_event_stream() {
    let (sim, provider) = pair().await;
    let job = create(&provider, MediaKind::Image).await;
    told(&provider, job.clone()).await;
    let requests = sim.requests();
    let line = requests.iter().find(|request| request.path.starts_with("/api/v1/events/")).unwrap();
    assert_eq!(line.path, format!("/api/v1/events/file.{}", job.id));
    assert_eq!(line.headers["accept"], "text/event-stream");
    assert_eq!(line.headers["cache-control"], "no-cache");
    assert!(!line.headers.contains_key("last-event-id"));
}

#[tokio::test]
async fn without_events_there_is_no_line_and_the_same_end() {
    let (sim, provider) = pair().await;
    let provider = provider.without_events();
    let job = create(&provider, MediaKind::Image).await;
    check("no events", &told(&provider, job).await, Kind::Completed);
    assert_eq!(asked(&sim, "GET", EVENTS), 0);
}

// AIC-7
#[tokio::test]
async fn a_dropped_watch_stops_asking_and_the_job_goes_on() {
    let sim = Simulator::start(Settings::default().step(ms(50)).events(EventMode::default().cut(Cut::AfterBytes(0))));
    let sim = sim.await.unwrap();
    let provider = provider(&sim);
    let job = create(&provider, MediaKind::Image).await;
    let mut events = Box::pin(provider.watch(job.clone()));
    events.next().await.unwrap();
    drop(events);
    tokio::time::sleep(ms(30)).await;
    let asked_so_far = sim.requests().len();
    tokio::time::sleep(ms(250)).await;
    assert_eq!(sim.requests().len(), asked_so_far);
    assert!(provider.get_job_result(&job.id).await.is_ok());
}

#[tokio::test]
async fn trouble_while_looking_is_lived_through() {
    let sim = Simulator::start(Settings::default().step(ms(20)).events(EventMode::silent())).await.unwrap();
    let provider = provider(&sim);
    let job = create(&provider, MediaKind::Video).await;
    for then in [
        Then::from(scripted(503)),
        Then::from(scripted(524).body("error code: 524")),
        Then::DropBefore,
        Then::DropAfter(30),
        Then::from(scripted(200).body("{")),
        Then::from(scripted(429).header("retry-after", "0")),
    ] {
        sim.add_fault(get(ONE_FILE, then));
    }
    check("trouble", &told(&provider, job).await, Kind::Completed);
}

#[tokio::test]
async fn a_provider_that_dies_ends_the_watch() {
    let sim = Simulator::start(Settings::default().step(ms(60_000))).await.unwrap();
    let schedule = Schedule::default().first(ms(5)).unwrap().cap(ms(20)).unwrap().outage(ms(200));
    let provider = provider(&sim).schedule(MediaKind::Image, schedule);
    let job = create(&provider, MediaKind::Image).await;
    let events = provider.watch(job).collect::<Vec<_>>();
    let (events, ()) = tokio::join!(events, async {
        tokio::time::sleep(ms(50)).await;
        sim.stop().await;
    });
    check("dead", &events, Kind::Failed);
    assert_eq!(events.last().unwrap().error.as_ref().unwrap().code, "provider_unavailable");
}
