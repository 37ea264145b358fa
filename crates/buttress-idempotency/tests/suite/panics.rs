//! A store that panics where it is called, and not only where its answer is awaited; and a seal that panics.

use std::{sync::atomic::Ordering, time::Duration};

use buttress_idempotency::{BoxError, Effect, EventKind, Followers, Idempotency, Lease, Leaving, RecordKey, Seal};
use bytes::Bytes;
use http::Response;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::common::{
    Answered, Broken, Events, FAR, Far, Handler, Scope1, Script, Seen, Step, layer, layer_over, over, post, read, send,
};

const SECOND: Duration = Duration::from_secs(1);

type Service = Idempotency<Handler, Far, Scope1>;

impl Far {
    fn bites(&self, bites: bool) {
        self.line().bites.store(bites, Ordering::SeqCst);
    }
}

// IDM-19
#[tokio::test(start_paused = true)]
async fn at_the_claim_it_is_one_that_is_down() {
    let (far, handler, events) = (Far::new(), Handler::numbered(), Events::default());
    let layer = layer_over(far.clone()).on_event(events.hook());
    far.bites(true);
    let seen = send(&over(&layer, &handler), post("a", "x")).await;
    assert_eq!((seen.status, seen.code().as_str(), handler.runs()), (503, "store_unavailable", 0));
    let open = over(&layer.clone().fail_open(), &handler);
    assert_eq!(send(&open, post("a", "x")).await.body, "run 1");
    assert_eq!(events.all(), [EventKind::StoreDown, EventKind::Unprotected]);
    far.bites(false);
    assert_eq!(send(&over(&layer, &handler), post("a", "x")).await.body, "run 2");
}

// IDM-19
#[tokio::test(start_paused = true)]
async fn at_the_claim_of_one_that_has_waited_it_is_down_as_well() {
    let (far, handler) = (Far::new(), Handler::slow(2 * SECOND));
    let service = over(&layer_over(far.clone()).followers(Followers::Wait(10 * SECOND)), &handler);
    let [first, second] = [(); 2].map(|()| asked(&service));
    sleep(SECOND).await;
    far.bites(true);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let (first, second) = if first.status == 200 { (first, second) } else { (second, first) };
    assert_eq!((first.body.as_str(), second.code().as_str()), ("run 1", "store_unavailable"));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_for_a_run_asks_for_it_again_a_little_later() {
    let (far, handler) = (Far::new(), Handler::slow(2 * SECOND));
    let service = over(&layer_over(far.clone()).followers(Followers::Wait(10 * SECOND)), &handler);
    let first = asked(&service);
    sleep(SECOND).await;
    let second = asked(&service);
    sleep(FAR / 2).await;
    far.bites(true);
    sleep(FAR).await;
    far.bites(false);
    assert_eq!([first.await.unwrap().body, second.await.unwrap().body], ["run 1", "run 1"]);
    assert_eq!(handler.runs(), 1);
}

fn asked(service: &Service) -> JoinHandle<Seen> {
    let service = service.clone();
    tokio::spawn(async move { send(&service, post("a", "x")).await })
}

// IDM-10
#[tokio::test(start_paused = true)]
async fn at_a_renewal_it_is_asked_again_at_the_next() {
    let late_head = Handler::slow(3 * SECOND);
    let late_body = Handler::with(|| Response::new(Script::new([Step::Sleep(3 * SECOND), Step::Data("run 1")])));
    for handler in [late_head, late_body] {
        let (far, events) = (Far::new(), Events::default());
        let layer = layer_over(far.clone()).lease(Lease::new(3 * SECOND).unwrap()).on_event(events.hook());
        let asked = asked(&over(&layer, &handler));
        sleep(SECOND / 2).await;
        far.bites(true);
        sleep(SECOND).await;
        far.bites(false);
        assert_eq!(asked.await.unwrap().body, "run 1");
        assert_eq!(events.all(), [EventKind::First, EventKind::Weakened, EventKind::Recorded]);
    }
}

/// Every way a run can end, each a second after its beginning.
fn endings() -> [Handler; 6] {
    let ends = |answer: fn() -> Answered| {
        Handler::new(move |_, _| async move {
            sleep(SECOND).await;
            answer()
        })
    };
    [
        ends(|| Ok(Response::new(Script::text("whole")))),
        ends(|| Ok(Response::new(Script::new([]).telling_end()))),
        ends(|| Ok(Response::new(Script::new([Step::Big(2 << 20)])))),
        ends(|| Ok(Response::builder().status(500).body(Script::text("doubt")).unwrap())),
        ends(|| Ok(Response::builder().status(429).body(Script::text("release")).unwrap())),
        ends(|| Err(Broken)),
    ]
}

/// Status and length of an answer; `None`: it was an error.
async fn outcome(service: Service) -> Option<(u16, usize)> {
    let seen = read(service.oneshot(post("a", "x")).await.ok()?).await;
    Some((seen.status, seen.body.len()))
}

// IDM-20
#[tokio::test(start_paused = true)]
async fn at_the_end_it_costs_the_record_and_not_the_answer() {
    for (effect, runs) in [(Effect::Outside, 1), (Effect::None, 2)] {
        for handler in endings() {
            let expected = outcome(over(&layer_over(Far::new()), &handler)).await;
            let (far, events) = (Far::new(), Events::default());
            let service = over(&layer_over(far.clone()).effect(effect).on_event(events.hook()), &handler);
            let asked = tokio::spawn(outcome(service.clone()));
            sleep(SECOND / 2).await;
            far.bites(true);
            assert_eq!(asked.await.unwrap(), expected);
            assert_eq!(events.all(), [EventKind::First, EventKind::Weakened]);
            far.bites(false);
            sleep(30 * SECOND).await;
            let again = outcome(service).await;
            assert_eq!(handler.runs() - 1, runs, "{expected:?}, {effect:?}: the lease has lapsed");
            assert_eq!(events.has(EventKind::Uncertain), effect == Effect::Outside, "{again:?}");
        }
    }
}

// IDM-13: two panics at once would end the process.
#[tokio::test(start_paused = true)]
async fn after_a_panic_of_the_handler_that_one_goes_on_and_the_lease_lapses() {
    let handler = || {
        Handler::new(|_, _| async {
            sleep(SECOND).await;
            panic!("of the handler")
        })
    };
    for leaves in [false, true] {
        let (far, handler) = (Far::new(), handler());
        let layer = layer_over(far.clone());
        let service = over(&layer, &handler);
        let asked = asked(&service);
        sleep(SECOND / 2).await;
        far.bites(true);
        if leaves {
            asked.abort();
            layer.detached().idle().await;
            sleep(SECOND).await;
        }
        let panic = asked.await.unwrap_err();
        assert_eq!(panic.is_cancelled(), leaves);
        assert!(leaves || panic.into_panic().downcast_ref() == Some(&"of the handler"));
        far.bites(false);
        sleep(30 * SECOND).await;
        assert_eq!(send(&service, post("a", "x")).await.code(), "operation_uncertain");
    }
}

// IDM-13, IDM-14: what is dropped does not panic.
#[tokio::test(start_paused = true)]
async fn who_leaves_at_whatever_moment_leaves_no_key_that_is_stuck() {
    let handler = || {
        Handler::new(|_, _| async {
            sleep(SECOND).await;
            Ok(Response::new(Script::new([Step::Data("a"), Step::Sleep(SECOND), Step::Data("b")])))
        })
    };
    for leaving in [Leaving::Abandon, Leaving::Finish(10 * SECOND)] {
        for millis in (0..2_100).step_by(5) {
            let (far, handler) = (Far::new(), handler());
            let layer = layer_over(far.clone()).leaving(leaving).effect(Effect::None);
            let service = over(&layer, &handler);
            let mut asked = Box::pin(send(&service, post("a", "x")));
            let _ = timeout(Duration::from_millis(millis), asked.as_mut()).await;
            far.bites(true);
            drop(asked);
            layer.detached().idle().await;
            sleep(FAR).await;
            far.bites(false);
            sleep(30 * SECOND).await;
            let again = send(&service, post("a", "x")).await;
            assert!(again.status == 200 || again.code() == "result_unavailable", "left after {millis} ms: {again:?}");
        }
    }
}

/// A seal that panics at what it is told to.
struct Rash {
    seals: bool,
}

impl Seal for Rash {
    fn seal(&self, _: &RecordKey, plain: Vec<u8>) -> Result<Bytes, BoxError> {
        assert!(self.seals, "on purpose");
        Ok(plain.into())
    }

    fn open(&self, _: &RecordKey, _: Bytes) -> Result<Bytes, BoxError> {
        panic!("on purpose")
    }
}

#[tokio::test]
async fn a_seal_costs_the_record_and_not_the_answer() {
    for seals in [true, false] {
        let (handler, events) = (Handler::numbered(), Events::default());
        let service = over(&layer().seal(Rash { seals }).on_event(events.hook()), &handler);
        assert_eq!(send(&service, post("a", "x")).await.body, "run 1");
        assert_eq!(send(&service, post("a", "x")).await.code(), "result_unavailable");
        let recorded = if seals { EventKind::Recorded } else { EventKind::RecordedBare };
        assert_eq!(events.all(), [EventKind::First, recorded, EventKind::NotReplayable]);
        assert_eq!(handler.runs(), 1);
    }
}
