use std::{sync::atomic::Ordering, time::Duration};

use buttress_idempotency::{
    Capacity, EventKind, Followers, Lease, MemoryStore, Retention,
    conformance::{Terms, check},
};
use tokio::time::{Instant, advance, sleep};
use tower::ServiceExt;

use crate::common::{Events, FAR, Far, Handler, layer, layer_over, over, post, send};

const SECOND: Duration = Duration::from_secs(1);

fn terms() -> Terms {
    let retention = Retention::new(40 * SECOND, 80 * SECOND).unwrap();
    Terms { lease: Lease::new(20 * SECOND).unwrap(), retention }
}

// IDM-25
#[tokio::test(start_paused = true)]
async fn the_memory_store_obeys_the_law() {
    check(&MemoryStore::default(), terms(), async |time| advance(time).await).await;
    let small = Capacity { records: 200.try_into().unwrap(), bytes: 10_000.try_into().unwrap() };
    check(&MemoryStore::new(small), terms(), async |time| advance(time).await).await;
}

// IDM-25: a store behind a network, whose clock is not the caller's.
#[tokio::test(start_paused = true)]
async fn the_law_can_be_obeyed_by_a_store_that_takes_its_time() {
    check(&Far::new(), terms(), async |time| sleep(time).await).await;
}

// IDM-19
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_at_the_claim_is_503_and_runs_nothing() {
    let (far, events) = (Far::new(), Events::default());
    let handler = Handler::numbered();
    let service = over(&layer_over(far.clone()).on_event(events.hook()), &handler);
    far.line().deaf.store(true, Ordering::SeqCst);
    let seen = send(&service, post("a", "x")).await;
    assert_eq!((seen.status, seen.code().as_str(), handler.runs()), (503, "store_unavailable", 0));
    assert_eq!((seen.json()["retryable"].clone(), seen.header("retry-after")), (true.into(), Some("2")));
    assert_eq!(events.all(), [EventKind::StoreDown]);
    far.line().deaf.store(false, Ordering::SeqCst);
    assert_eq!(send(&service, post("a", "x")).await.status, 200);
}

// IDM-19
#[tokio::test(start_paused = true)]
async fn a_store_that_panics_at_the_claim_is_one_that_is_down() {
    let far = Far::new();
    let handler = Handler::numbered();
    let service = over(&layer_over(far.clone()), &handler);
    far.line().panics.store(true, Ordering::SeqCst);
    let seen = send(&service, post("a", "x")).await;
    assert_eq!((seen.status, seen.code().as_str(), handler.runs()), (503, "store_unavailable", 0));
}

// IDM-20
#[tokio::test(start_paused = true)]
async fn a_store_that_panics_at_the_end_costs_the_record_and_not_the_answer() {
    let (far, events) = (Far::new(), Events::default());
    let handler = Handler::slow(SECOND);
    let service = over(&layer_over(far.clone()).on_event(events.hook()), &handler);
    let asked = tokio::spawn(async move { send(&service, post("a", "x")).await });
    sleep(SECOND / 2).await;
    far.line().panics.store(true, Ordering::SeqCst);
    assert_eq!(asked.await.unwrap().body, "run 1");
    assert_eq!(events.all(), [EventKind::First, EventKind::Weakened]);
}

// IDM-10
#[tokio::test(start_paused = true)]
async fn a_store_that_panics_at_a_renewal_is_asked_again_at_the_next() {
    let (far, events) = (Far::new(), Events::default());
    let handler = Handler::slow(3 * SECOND);
    let layer = layer_over(far.clone()).lease(Lease::new(3 * SECOND).unwrap()).on_event(events.hook());
    let service = over(&layer, &handler);
    let asked = tokio::spawn(async move { send(&service, post("a", "x")).await });
    sleep(SECOND / 2).await;
    far.line().panics.store(true, Ordering::SeqCst);
    sleep(SECOND).await;
    far.line().panics.store(false, Ordering::SeqCst);
    assert_eq!(asked.await.unwrap().body, "run 1");
    assert_eq!(events.all(), [EventKind::First, EventKind::Weakened, EventKind::Recorded]);
}

// IDM-19
#[tokio::test(start_paused = true)]
async fn failing_open_is_a_choice_and_is_told() {
    let (far, events) = (Far::new(), Events::default());
    let handler = Handler::numbered();
    let service = over(&layer_over(far.clone()).fail_open().on_event(events.hook()), &handler);
    far.line().deaf.store(true, Ordering::SeqCst);
    for run in ["run 1", "run 2"] {
        assert_eq!(send(&service, post("a", "x")).await.body, run);
    }
    assert_eq!(events.all(), [EventKind::Unprotected; 2]);
}

// IDM-19
#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_down_after_a_while_and_what_it_claimed_is_given_back() {
    let far = Far::new();
    let handler = Handler::numbered();
    let service = over(&layer_over(far.clone()).store_patience(SECOND).unwrap(), &handler);
    far.line().silent.store(true, Ordering::SeqCst);
    let start = Instant::now();
    assert_eq!(send(&service, post("a", "x")).await.status, 503);
    assert_eq!(start.elapsed(), SECOND);
    // One that answers after its time is up.
    far.line().silent.store(false, Ordering::SeqCst);
    let hasty = over(&layer_over(far.clone()).store_patience(FAR * 3 / 4).unwrap(), &handler);
    assert_eq!(send(&hasty, post("a", "x")).await.status, 503);
    sleep(SECOND).await;
    assert_eq!((send(&service, post("a", "x")).await.status, handler.runs()), (200, 1));
}

// IDM-20
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_at_the_end_costs_the_record_and_not_the_answer() {
    let (far, events) = (Far::new(), Events::default());
    let handler = Handler::numbered();
    let layer = layer_over(far.clone()).lease(Lease::new(SECOND).unwrap()).on_event(events.hook());
    let service = over(&layer, &handler);
    far.line().forgetful.store(true, Ordering::SeqCst);
    assert_eq!(send(&service, post("a", "x")).await.body, "run 1");
    assert!(events.has(EventKind::Weakened));
    assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress");
    sleep(SECOND).await;
    assert_eq!(send(&service, post("a", "x")).await.code(), "operation_uncertain");
    assert_eq!(handler.runs(), 1);
}

// IDM-20
#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_at_the_end_holds_the_answer_up_for_its_patience_and_no_longer() {
    let far = Far::new();
    let handler = Handler::slow(SECOND);
    let service = over(&layer_over(far.clone()).store_patience(2 * SECOND).unwrap(), &handler);
    let first = tokio::spawn({
        let service = service.clone();
        async move { (send(&service, post("a", "x")).await, Instant::now()) }
    });
    sleep(SECOND / 2).await;
    far.line().silent.store(true, Ordering::SeqCst);
    let start = Instant::now() - SECOND / 2;
    let (seen, end) = first.await.unwrap();
    assert_eq!(seen.body, "run 1");
    assert_eq!(end - start, FAR + SECOND + 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_room_is_503() {
    let capacity = Capacity { records: 1.try_into().unwrap(), bytes: 100.try_into().unwrap() };
    let handler = Handler::slow(SECOND);
    let service = over(&layer_over(MemoryStore::new(capacity)), &handler);
    let first = tokio::spawn(service.clone().oneshot(post("a", "x")));
    tokio::task::yield_now().await;
    assert_eq!(send(&service, post("b", "x")).await.code(), "store_unavailable");
    first.await.unwrap().unwrap();
}

#[test]
fn no_time_at_all_is_refused() {
    assert!(layer().body_time(Duration::ZERO).is_err());
    assert!(layer().store_patience(Duration::ZERO).is_err());
}

// IDM-19: it is known to have run.
#[tokio::test(start_paused = true)]
async fn who_has_waited_for_a_run_does_not_run_without_protection() {
    let (far, handler) = (Far::new(), Handler::slow(2 * SECOND));
    let layer = layer_over(far.clone()).followers(Followers::Wait(10 * SECOND)).fail_open();
    let service = over(&layer, &handler);
    let first = tokio::spawn(service.clone().oneshot(post("a", "x")));
    sleep(SECOND).await;
    let second = tokio::spawn({
        let service = service.clone();
        async move { send(&service, post("a", "x")).await }
    });
    sleep(SECOND / 2).await;
    far.line().deaf.store(true, Ordering::SeqCst);
    assert!(first.await.unwrap().is_ok());
    assert_eq!((second.await.unwrap().code().as_str(), handler.runs()), ("store_unavailable", 1));
}

#[tokio::test(start_paused = true)]
async fn claims_that_are_never_answered_do_not_pile_up() {
    let far = Far::new();
    let lease = Lease::new(10 * SECOND).unwrap();
    let service = over(&layer_over(far.clone()).store_patience(SECOND).unwrap().lease(lease), &Handler::numbered());
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = alive();
    far.line().silent.store(true, Ordering::SeqCst);
    for key in ["a", "b", "c"] {
        assert_eq!(send(&service, post(key, "x")).await.status, 503);
    }
    assert_eq!(alive(), before + 3, "what they may win is given back");
    sleep(11 * SECOND).await;
    assert_eq!(alive(), before, "by now it has lapsed");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_says_too_early_that_a_run_is_over_is_not_asked_over_and_over() {
    let far = Far::new();
    let handler = Handler::slow(2 * SECOND);
    let service = over(&layer_over(far.clone()).followers(Followers::Wait(10 * SECOND)), &handler);
    far.line().hasty.store(true, Ordering::SeqCst);
    let (first, second) = tokio::join!(send(&service, post("a", "x")), send(&service, post("a", "x")));
    assert_eq!((first.body, second.body, handler.runs()), ("run 1".into(), "run 1".into(), 1));
    let claims = far.line().claims.load(Ordering::SeqCst);
    assert!(claims < 40, "{claims}: one for each of both, and two in each pause of a tenth of a second");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_while_somebody_waits_is_asked_again() {
    let far = Far::new();
    let handler = Handler::slow(SECOND);
    let service = over(&layer_over(far.clone()).followers(Followers::Wait(10 * SECOND)), &handler);
    let (first, second) = tokio::join!(send(&service, post("a", "x")), send(&service, post("a", "x")));
    assert_eq!((first.body, second.body, handler.runs()), ("run 1".into(), "run 1".into(), 1));
}
