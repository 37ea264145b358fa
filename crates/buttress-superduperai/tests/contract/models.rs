//! The list of models: its pages, its copy, its lies.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_provider::{MediaKind, Price, PriceUnit, ProviderAdapter, ProviderErrorKind as Kind, ReferenceKind, Task};
use superduperai_sim::Then;

use crate::support::*;

// quirks 21, 22 and 29
#[tokio::test]
async fn all_models_are_listed_with_what_they_take() {
    let (sim, provider) = pair().await;
    let models = provider.models().await.unwrap();
    assert_eq!(models.len(), 21);
    let of = |name: &str| models.iter().find(|model| model.name == name).unwrap();

    let veo = of("google-cloud/veo3-text2video");
    assert_eq!((veo.kind, veo.task, veo.restricted), (MediaKind::Video, Task::TextToVideo, true));
    assert_eq!(veo.price, Some(Price::credits(3.0, PriceUnit::Second)));
    assert_eq!(veo.limits.durations, [5, 6, 7, 8]);
    assert_eq!(veo.label.as_deref(), Some("Google VEO3 (Text-to-Video)"));

    let ltx = of("comfyui/ltx");
    assert_eq!((ltx.restricted, ltx.limits.required_references.as_slice()), (false, &[ReferenceKind::Source][..]));
    assert_eq!(of("comfyui/flux").price, Some(Price::credits(1.0, PriceUnit::Image)));
    assert_eq!(of("azure-openai/sora").limits.sizes.len(), 6);
    assert_eq!(asked(&sim, "GET", MODELS), 1);
}

#[tokio::test]
async fn pages_are_followed_to_the_last() {
    let (sim, provider) = pair().await;
    // Its `next` leads to an offset of five, from where the simulator goes on.
    sim.add_fault(get(MODELS, scripted(200).body(include_str!("../fixtures/models-page.json"))));
    assert_eq!(provider.models().await.unwrap().len(), 21);
    let queries: Vec<_> = sim.requests().iter().filter_map(|request| request.query.clone()).collect();
    assert_eq!(queries.len(), 2);
    assert!(queries[0].ends_with("limit=50&offset=0") && queries[1].ends_with("limit=50&offset=5"));
}

#[tokio::test]
async fn models_that_come_twice_are_listed_once() {
    let (sim, provider) = pair().await;
    let shifted = include_str!("../fixtures/models-page.json").replace("\"offset\": 5,\n", "\"offset\": 2,\n");
    sim.add_fault(get(MODELS, scripted(200).body(shifted)));
    assert_eq!(provider.models().await.unwrap().len(), 21);
}

/// Counts the calls to a list that pages as `page` says, given the offset asked for.
async fn paged(page: impl Fn(u64) -> String + Clone + Send + Sync + 'static) -> (usize, usize) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let provider = canned(move |head, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        let offset = head.uri.query().unwrap().rsplit_once("offset=").unwrap().1.parse().unwrap();
        answer(200, page(offset))
    });
    let models = provider.models().await.unwrap().len();
    (models, calls.load(Ordering::Relaxed))
}

fn page(items: impl Iterator<Item = u64>, next: u64) -> String {
    let items: Vec<_> = items.map(|i| format!(r#"{{"name":"m/{i}","type":"text_to_image"}}"#)).collect();
    format!(r#"{{"items":[{}],"next":{{"offset":{next},"limit":50}}}}"#, items.join(","))
}

#[tokio::test]
async fn a_next_that_leads_back_or_nowhere_ends_the_list() {
    assert_eq!(paged(|_| page(0..3, 0)).await, (3, 1));
    assert_eq!(paged(|offset| page(offset..offset + 3, 3)).await, (6, 2));
    assert_eq!(paged(|offset| page(0..0, offset + 50)).await, (0, 1));
    let null = r#"{"items":[{"name":"m","type":"text_to_image"}],"next":"more"}"#;
    assert_eq!(paged(|_| null.into()).await, (1, 1));
}

#[tokio::test]
async fn a_list_without_end_is_cut() {
    assert_eq!(paged(|offset| page(offset..offset + 10, offset + 10)).await, (200, 20));
    assert_eq!(paged(|offset| page(offset..offset + 400, offset + 400)).await, (1_000, 3));
}

// AIC-14
#[tokio::test]
async fn entries_that_are_not_understood_spoil_no_other() {
    let list = r#"{"items":[7,{},{"name":"a"},{"name":"b","type":"text_to_smell","params":{}},
        {"name":"c","type":"text_to_image","params":null,"source":"new_cloud","x":[]},
        {"name":"d","type":"text_to_audio"},{"name":"e","type":"text_to_video","params":{"available_durations":"?"}}]}"#;
    let provider = canned(move |_, _| answer(200, list));
    let names: Vec<_> = provider.models().await.unwrap().iter().map(|model| model.name.clone()).collect();
    assert_eq!(names, ["c", "e"]);
}

// quirk 21
#[tokio::test]
async fn what_is_no_list_is_not_understood() {
    for body in ["[]", "{}", r#"{"data":[]}"#, r#"{"items":{}}"#, "<html>"] {
        let provider = canned(move |_, _| answer(200, body));
        assert_eq!(provider.models().await.unwrap_err().kind(), Kind::Decode, "{body}");
    }
}

/// A list of the fixture that counts its calls, and a switch that turns it into a 500.
fn switched(status: u16) -> (buttress_superduperai::SuperDuperAi<AnyService>, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (calls, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counter, switch) = (Arc::clone(&calls), Arc::clone(&broken));
    let provider = canned(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        match switch.load(Ordering::Relaxed) {
            true => answer(status, ""),
            false => answer(200, include_str!("../fixtures/models-all-21.json")),
        }
    });
    (provider, calls, broken)
}

#[tokio::test(start_paused = true)]
async fn a_copy_does_for_an_hour() {
    let (provider, calls, _) = switched(500);
    for (wait, expected) in [(0, 1), (3_599, 1), (1, 2), (3_599, 2)] {
        tokio::time::advance(Duration::from_secs(wait)).await;
        provider.models().await.unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), expected);
    }
    let provider = provider.model_ttl(Duration::ZERO);
    tokio::time::advance(Duration::from_secs(3_600)).await;
    provider.models().await.unwrap();
    provider.models().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn an_old_copy_does_while_the_provider_is_broken_and_it_is_not_asked_each_time() {
    let (provider, calls, broken) = switched(500);
    provider.models().await.unwrap();
    broken.store(true, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(3_600)).await;
    for _ in 0..10 {
        assert_eq!(provider.models().await.unwrap().len(), 21);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    broken.store(false, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(30)).await;
    provider.models().await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn an_old_copy_hides_no_broken_token_and_no_copy_hides_nothing() {
    let (provider, _, broken) = switched(401);
    provider.models().await.unwrap();
    broken.store(true, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(provider.models().await.unwrap_err().kind(), Kind::Unauthorized);

    let (provider, _, broken) = switched(503);
    broken.store(true, Ordering::Relaxed);
    assert_eq!(provider.models().await.unwrap_err().kind(), Kind::Unavailable);
}

#[tokio::test]
async fn a_job_is_created_from_an_old_copy_while_the_list_hangs() {
    let (sim, provider) = pair().await;
    let provider = provider.model_ttl(Duration::ZERO).timeouts(ms(200), ms(3_000)).unwrap();
    provider.models().await.unwrap();
    sim.add_fault(get(MODELS, Then::Hang).times(9));
    provider.create_image_job(boat()).await.unwrap();
    assert_eq!(sim.jobs().len(), 1);
}

#[tokio::test]
async fn without_any_list_nothing_is_paid_for() {
    let (sim, provider) = pair().await;
    sim.add_fault(get(MODELS, Then::DropBefore).times(9));
    let error = provider.create_image_job(boat()).await.unwrap_err();
    assert_eq!((error.kind(), error.retryable(), paid_calls(&sim)), (Kind::Unavailable, true, 0));
}
