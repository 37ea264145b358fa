use std::time::Duration;

use buttress_idempotency::{Effect, EventKind, IdempotencyStore, Lease, Run, Settled, Settlement};
use http::Response;
use http_body_util::BodyExt;
use tokio::time::{advance, sleep};
use tower::ServiceExt;

use crate::common::{Events, Far, Handler, Script, Step, layer, layer_over, over, post, send};

const SECOND: Duration = Duration::from_secs(1);

fn lease() -> Lease {
    Lease::new(3 * SECOND).unwrap()
}

// IDM-10
#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_as_long_as_the_handler_runs() {
    let handler = Handler::slow(100 * SECOND);
    let service = over(&layer().lease(lease()).effect(Effect::None), &handler);
    let first = tokio::spawn(service.clone().oneshot(post("a", "x")));
    for _ in 0..99 {
        sleep(SECOND).await;
        assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress");
    }
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(handler.runs(), 1);
}

// IDM-10
#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_over_a_far_store_and_while_the_body_comes() {
    let handler = Handler::new(|_, _| async {
        sleep(10 * SECOND).await;
        Ok(Response::new(Script::new([Step::Data("a"), Step::Sleep(20 * SECOND), Step::Data("b")])))
    });
    let layer = layer_over(Far::new()).lease(lease()).effect(Effect::None);
    let service = over(&layer, &handler);
    let first = tokio::spawn({
        let service = service.clone();
        async move { send(&service, post("a", "x")).await }
    });
    for _ in 0..29 {
        sleep(SECOND).await;
        assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress");
    }
    assert_eq!(first.await.unwrap().body, "ab");
    assert!(send(&service, post("a", "x")).await.is_replay());
    assert_eq!(handler.runs(), 1);
}

// IDM-10
#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_while_a_slow_caller_takes_an_answer_that_is_there() {
    let handler = Handler::with(|| Response::new(Script::new(["a", "b", "c", "d", "e"].map(Step::Data))));
    let service = over(&layer().lease(lease()).effect(Effect::None), &handler);
    let mut body = service.clone().oneshot(post("a", "x")).await.unwrap().into_body();
    for frame in 1..=5 {
        assert!(body.frame().await.unwrap().is_ok());
        sleep(3 * SECOND / 2).await;
        assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress", "{frame}");
    }
    assert!(body.frame().await.is_none());
    assert_eq!(send(&service, post("a", "x")).await.body, "abcde");
    assert_eq!(handler.runs(), 1);
}

// IDM-9, IDM-12
#[tokio::test(start_paused = true)]
async fn a_run_that_is_not_heard_of_is_uncertain_or_its_key_is_free() {
    for (effect, status) in [(Effect::Outside, 409), (Effect::None, 200)] {
        let handler = Handler::numbered();
        let layer = layer().lease(lease()).effect(effect);
        let service = over(&layer, &handler);
        // As a server that died leaves it: claimed, and nobody there.
        let stuck = Handler::new(|_, _| std::future::pending());
        let mut first = Box::pin(over(&layer, &stuck).oneshot(post("a", "x")));
        assert!(futures_poll(&mut first).await.is_none());
        std::mem::forget(first);
        assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress");
        advance(3 * SECOND).await;
        assert_eq!(send(&service, post("a", "x")).await.status, status, "{effect:?}");
    }
}

async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

// IDM-9
#[tokio::test(start_paused = true)]
async fn a_run_that_lost_its_key_changes_nothing_and_its_caller_still_has_the_answer() {
    let events = Events::default();
    let handler = Handler::numbered();
    let layer = layer().lease(lease()).effect(Effect::None).on_event(events.hook());
    let service = over(&layer, &handler);
    let store = layer.store().clone();
    let thief = Handler::new(move |_, request| {
        let (run, store) = (*request.extensions().get::<Run>().unwrap(), store.clone());
        async move {
            store.purge(run.key()).await.unwrap();
            Ok(Response::new(Script::text("robbed")))
        }
    });
    assert_eq!(send(&over(&layer, &thief), post("a", "x")).await.body, "robbed");
    assert!(events.has(EventKind::Lost));
    assert_eq!(send(&service, post("a", "x")).await.body, "run 1", "the key is free");
}

// IDM-9
#[tokio::test(start_paused = true)]
async fn a_run_hears_that_it_lost_its_key_and_renews_no_more() {
    let events = Events::default();
    let layer = layer().lease(lease()).on_event(events.hook());
    let store = layer.store().clone();
    let handler = Handler::new(move |_, request| {
        let (run, store) = (*request.extensions().get::<Run>().unwrap(), store.clone());
        async move {
            sleep(SECOND / 2).await;
            store.purge(run.key()).await.unwrap();
            sleep(10 * SECOND).await;
            Ok(Response::new(Script::text("done")))
        }
    });
    assert_eq!(send(&over(&layer, &handler), post("a", "x")).await.body, "done");
    use EventKind::{First, Lost};
    assert_eq!(events.all(), [First, Lost, Lost], "once when it renewed, once when it ended");
}

// IDM-26
#[tokio::test]
async fn a_handler_can_settle_in_a_transaction_of_its_own() {
    use buttress_idempotency::{Answer, Kept};

    let layer = layer();
    let store = layer.store().clone();
    let handler = Handler::new(move |_, request| {
        let (run, store) = (*request.extensions().get::<Run>().unwrap(), store.clone());
        async move {
            let answer = Answer { body: "from the transaction".into(), ..Answer::default() };
            let settlement = Settlement::Complete(Kept::Whole(answer.encode()));
            let settled = store.settle(run.key(), run.token(), settlement).await;
            assert_eq!(settled, Ok(Settled::Now));
            // Whatever goes wrong after the commit, what was committed counts.
            Err(crate::common::Broken)
        }
    });
    let service = over(&layer, &handler);
    service.clone().oneshot(post("a", "x")).await.unwrap_err();
    let again = send(&service, post("a", "x")).await;
    assert_eq!((again.body.as_str(), again.is_replay(), handler.runs()), ("from the transaction", true, 1));
}

// IDM-10
#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_told_and_tried_again() {
    let (far, events) = (Far::new(), Events::default());
    let handler = Handler::slow(10 * SECOND);
    let service = over(&layer_over(far.clone()).lease(lease()).on_event(events.hook()), &handler);
    far.line().slips.store(true, std::sync::atomic::Ordering::SeqCst);
    let first = tokio::spawn(service.clone().oneshot(post("a", "x")));
    sleep(3 * SECOND / 2).await;
    assert!(events.has(EventKind::Weakened));
    far.line().slips.store(false, std::sync::atomic::Ordering::SeqCst);
    sleep(3 * SECOND).await;
    assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress");
    assert!(first.await.unwrap().is_ok());
}

// IDM-10
#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_never_answered_is_given_up_and_the_next_one_is_asked_for() {
    let (far, events) = (Far::new(), Events::default());
    let handler = Handler::slow(10 * SECOND);
    let layer = layer_over(far.clone()).lease(lease()).store_patience(SECOND / 2).unwrap().on_event(events.hook());
    let service = over(&layer, &handler);
    let first = tokio::spawn(service.clone().oneshot(post("a", "x")));
    sleep(SECOND / 2).await;
    far.line().silent.store(true, std::sync::atomic::Ordering::SeqCst);
    sleep(SECOND).await;
    far.line().silent.store(false, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..8 {
        sleep(SECOND).await;
        assert_eq!(send(&service, post("a", "x")).await.code(), "idempotency_in_progress");
    }
    assert!(first.await.unwrap().is_ok());
    assert_eq!(events.all().iter().filter(|kind| **kind == EventKind::Weakened).count(), 1);
}

#[test]
fn a_lease_has_a_sensible_length() {
    for bad in [Duration::ZERO, Duration::from_millis(9), 86_401 * SECOND] {
        assert!(Lease::new(bad).is_err(), "{bad:?}");
    }
    assert_eq!(Lease::default().duration(), 30 * SECOND);
}
