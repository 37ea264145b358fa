//! IDM-17: answers that are being recorded are held within one budget.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use buttress_idempotency::{
    Effect, EventKind, IdempotencyLayer, IdempotencyStore, InvalidSetting, Leaving, MemoryStore,
};
use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::{task::JoinSet, time::sleep};
use tower::ServiceExt;

use crate::common::{
    Events, FAR, Far, Handler, Line, Scope1, Script, Seen, Step, layer, layer_over, over, post, read, send,
};

const SECOND: Duration = Duration::from_secs(1);

type Layer1<St = MemoryStore> = IdempotencyLayer<St, Scope1>;

/// Ten bytes for all, and for one.
fn narrow<St: IdempotencyStore>(layer: Layer1<St>) -> Layer1<St> {
    layer.answer_limit(10).unwrap().answer_budget(10).unwrap()
}

fn answering<const N: usize>(steps: [Step; N]) -> Handler {
    Handler::with(move || Response::new(Script::new(steps.clone())))
}

async fn ask<St: IdempotencyStore>(layer: &Layer1<St>, key: &str, handler: &Handler) -> Seen {
    send(&over(layer, handler), post(key, "x")).await
}

/// Whether an answer that takes all of the budget is recorded.
async fn is_all_there<St: IdempotencyStore>(layer: &Layer1<St>) -> bool {
    static KEYS: AtomicUsize = AtomicUsize::new(0);
    let key = format!("all-{}", KEYS.fetch_add(1, Ordering::Relaxed));
    let whole = answering([Step::Data("0123456789")]);
    assert_eq!(ask(layer, &key, &whole).await.body, "0123456789");
    ask(layer, &key, &whole).await.is_replay()
}

/// An answer of which six bytes have come, and four are to come.
async fn begun<St: IdempotencyStore>(layer: &Layer1<St>) -> impl Body<Data = bytes::Bytes> + use<St> {
    let handler = answering([Step::Data("123456"), Step::Sleep(SECOND), Step::Data("7890")]);
    let mut body = Box::pin(over(layer, &handler).oneshot(post("begun", "x")).await.unwrap().into_body());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "123456");
    body
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_goes_out_whole_and_is_known_as_done() {
    let events = Events::default();
    let layer = narrow(layer()).on_event(events.hook());
    let first = begun(&layer).await;
    let known = Handler::with(|| Response::new(Script::text("abcde")));
    let unknown = answering([Step::Data("abc"), Step::Data("de")]);
    for (key, handler) in [("known", known), ("unknown", unknown)] {
        assert_eq!(ask(&layer, key, &handler).await.body, "abcde");
        let again = ask(&layer, key, &handler).await;
        assert_eq!((again.status, again.code().as_str(), handler.runs()), (409, "result_unavailable", 1));
    }
    let fits = answering([Step::Data("ab"), Step::Data("cd")]);
    assert_eq!(ask(&layer, "fits", &fits).await.body, "abcd");
    assert!(ask(&layer, "fits", &fits).await.is_replay(), "there is room for four");
    use EventKind::{First, NotReplayable, Recorded, RecordedBare, Replayed};
    let told =
        [First, First, RecordedBare, NotReplayable, First, RecordedBare, NotReplayable, First, Recorded, Replayed];
    assert_eq!(events.all(), told);

    assert_eq!(first.collect().await.map_err(|_| ()).unwrap().to_bytes(), "7890");
    assert_eq!(ask(&layer, "begun", &Handler::numbered()).await.body, "1234567890", "who was first keeps its room");
    assert!(is_all_there(&layer).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_to_find_no_room_takes_none_for_a_part_of_it() {
    let events = Events::default();
    let layer = narrow(layer()).on_event(events.hook());
    let _first = begun(&layer).await;
    let known = Handler::with(|| Response::new(Script::new([Step::Data("abc"), Step::Data("de")]).promising(5)));
    let response = over(&layer, &known).oneshot(post("known", "x")).await.unwrap();
    assert!(events.has(EventKind::RecordedBare), "by its head");
    assert_eq!(read(response).await.body, "abcde");
}

#[tokio::test]
async fn who_finds_no_room_on_its_way_gives_back_what_it_had() {
    let layer = narrow(layer());
    let first = answering([Step::Data("123"), Step::Hang]);
    let mut first = over(&layer, &first).oneshot(post("a", "x")).await.unwrap().into_body();
    assert!(first.frame().await.unwrap().is_ok());
    let second = answering([Step::Data("12345"), Step::Data("678"), Step::Hang]);
    let mut second = over(&layer, &second).oneshot(post("b", "x")).await.unwrap().into_body();
    for data in ["12345", "678"] {
        assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap(), data);
    }
    let third = answering([Step::Data("1234567")]);
    assert_eq!(ask(&layer, "c", &third).await.body, "1234567");
    assert!(ask(&layer, "c", &third).await.is_replay(), "seven bytes are free although the second one goes on");
}

/// Leaves an answer after so many polls of future and body. `false`: it was over before.
async fn leave_after<St: IdempotencyStore>(layer: &Layer1<St>, handler: &Handler, polls: usize) -> bool {
    let service = over(layer, handler);
    let mut asked = Box::pin(async move { read(service.oneshot(post("a", "x")).await.unwrap()).await });
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx).is_ready())).await {
            return false;
        }
        sleep(FAR / 2).await;
    }
    true
}

#[tokio::test(start_paused = true)]
async fn wherever_the_caller_leaves_the_room_is_given_back() {
    leave_everywhere(MemoryStore::default).await;
    leave_everywhere(Far::new).await;
}

async fn leave_everywhere<St: IdempotencyStore>(store: fn() -> St) {
    let steps = || [Step::Data("123"), Step::Sleep(FAR), Step::Data("456"), Step::Sleep(FAR), Step::Data("7890")];
    for leaving in [Leaving::Abandon, Leaving::Finish(60 * SECOND), Leaving::Finish(FAR)] {
        for polls in 0.. {
            let layer = narrow(layer_over(store())).leaving(leaving);
            let early = leave_after(&layer, &answering(steps()), polls).await;
            layer.detached().idle().await;
            assert!(is_all_there(&layer).await, "left after {polls} polls: {leaving:?}");
            if !early {
                assert!(polls > 3, "it gives way now and then");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn however_an_answer_ends_the_room_is_given_back() {
    let layer = narrow(layer());
    let promised = || Response::new(Script::new([Step::Data("123456789")]).promising(10));
    let ends = [
        answering([Step::Data("123456789"), Step::Fail]),
        answering([Step::Data("123456789"), Step::Yield, Step::Panic]),
        answering([Step::Data("123456789"), Step::Data("0a")]),
        answering([Step::Data(""), Step::Data("123456789"), Step::Trailers("x-sum", "1")]),
        Handler::with(promised),
    ];
    for (i, handler) in ends.iter().enumerate() {
        let response = over(&layer, handler).oneshot(post(&i.to_string(), "x")).await.unwrap();
        let _ = tokio::spawn(response.into_body().collect()).await;
        assert!(is_all_there(&layer).await, "{i}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_room_is_held_until_the_store_has_the_answer_or_has_taken_too_long() {
    let after = |millis, text: &'static str| {
        Handler::new(move |_, _| async move {
            sleep(Duration::from_millis(millis)).await;
            Ok(Response::new(Script::new([Step::Data(text)])))
        })
    };
    for (silent, meanwhile, later) in [(false, 1_010, 1_030), (true, 2_000, 3_100)] {
        let far = Far::new();
        let layer = narrow(layer_over(far.clone())).store_patience(2 * SECOND).unwrap();
        let handlers = [after(1_000, "0123456789"), after(meanwhile, "x"), after(later, "0123456789")];
        let mut asked = JoinSet::new();
        for (key, handler) in ["first", "meanwhile", "later"].into_iter().zip(handlers) {
            let layer = layer.clone();
            asked.spawn(async move { ask(&layer, key, &handler).await.status });
        }
        sleep(SECOND / 2).await;
        far.line().silent.store(silent, Ordering::SeqCst);
        sleep(SECOND).await;
        far.line().silent.store(false, Ordering::SeqCst);
        assert_eq!(asked.join_all().await, [200; 3]);
        assert_eq!(ask(&layer, "meanwhile", &Handler::numbered()).await.code(), "result_unavailable", "{silent}");
        assert!(ask(&layer, "later", &Handler::numbered()).await.is_replay(), "{silent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_panics_at_the_end_keeps_no_room() {
    let ways: [fn(&Line) -> &AtomicBool; 3] = [|line| &line.forgetful, |line| &line.panics, |line| &line.bites];
    for (i, way) in ways.into_iter().enumerate() {
        let far = Far::new();
        let layer = narrow(layer_over(far.clone()));
        let handler = answering([Step::Data("12345"), Step::Sleep(SECOND), Step::Data("67890")]);
        let mut body = over(&layer, &handler).oneshot(post("a", "x")).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok());
        way(far.line()).store(true, Ordering::SeqCst);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "67890");
        way(far.line()).store(false, Ordering::SeqCst);
        assert!(is_all_there(&layer).await, "{i}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_every_answer_is_whole_and_no_room_is_lost() {
    let layer = layer().answer_limit(3_000).unwrap().answer_budget(10_000).unwrap().effect(Effect::None);
    let crowded = Arc::new(AtomicUsize::new(0));
    let mut all = JoinSet::new();
    for i in 0..400_usize {
        let size = 1 + 97 * i % 1_500;
        let handler = Handler::with(move || {
            Response::new(Script::new([Step::Big(size), Step::Yield, Step::Big(size), Step::Yield, Step::Yield]))
        });
        let (service, crowded) = (over(&layer, &handler), crowded.clone());
        all.spawn(async move {
            let key = i.to_string();
            let response = service.clone().oneshot(post(&key, "x")).await.unwrap();
            let mut body = response.into_body();
            if i % 4 == 0 {
                // Some leave in the middle.
                let _ = body.frame().await;
                return;
            }
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), 2 * size);
            let again = send(&service, post(&key, "x")).await;
            match again.status {
                200 => assert!(again.is_replay() && again.body.len() == 2 * size),
                _ => {
                    assert_eq!(again.code(), "result_unavailable");
                    crowded.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    layer.detached().idle().await;
    assert!(crowded.load(Ordering::Relaxed) > 0, "not all of them found room");
    let whole = [Step::Big(3_000), Step::Hang];
    let mut held = Vec::new();
    for key in ["p", "q", "r"] {
        let mut body = over(&layer, &answering(whole.clone())).oneshot(post(key, "x")).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok());
        held.push(body);
    }
    let rest = || answering([Step::Big(1_000)]);
    send(&over(&layer, &rest()), post("s", "x")).await;
    assert!(send(&over(&layer, &rest()), post("s", "x")).await.is_replay(), "ten thousand bytes are there again");
}

#[test]
fn those_that_find_no_room_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let layer = narrow(layer());
            let _first = begun(&layer).await;
            for key in ["a", "b"] {
                ask(&layer, key, &answering([Step::Data("12345")])).await;
            }
            ask(&layer, "c", &Handler::with(|| Response::new(Script::text("12345")))).await;
            ask(&layer, "d", &answering([Step::Data("12345678901")])).await;
        });
    });
    let counted = snapshotter.snapshot().into_vec().into_iter().find_map(|(key, _, _, value)| {
        let is_it = key.key().name() == "buttress_idempotency_answers_crowded_out_total";
        is_it.then_some(value)
    });
    assert_eq!(counted, Some(DebugValue::Counter(3)), "one that is too long is another matter");
}

#[tokio::test]
async fn clones_share_the_budget_and_one_that_is_given_its_own_does_not() {
    let layer = narrow(layer());
    let (shares, apart) = (layer.clone().require_key(), layer.clone().answer_budget(10).unwrap());
    let first = answering([Step::Data("1"), Step::Hang]);
    let mut first = over(&layer, &first).oneshot(post("a", "x")).await.unwrap().into_body();
    assert!(first.frame().await.unwrap().is_ok());
    assert!(!is_all_there(&shares).await);
    assert!(is_all_there(&apart).await);
}

#[test]
fn a_budget_without_room_for_one_answer_is_refused() {
    let is_refused = |layer: Result<Layer1, InvalidSetting>| layer.unwrap_err().to_string().contains("answers");
    assert!(is_refused(layer().answer_budget((1 << 20) - 1)), "the limit of one answer is a mebibyte");
    assert!(is_refused(layer().answer_limit((64 << 20) + 1)), "the budget is 64 mebibytes");
    assert!(is_refused(narrow(layer()).answer_limit(11)));
    assert!(narrow(layer()).answer_budget(11).unwrap().answer_limit(11).is_ok());
}
