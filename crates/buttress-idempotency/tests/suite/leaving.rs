use std::{future::poll_fn, num::NonZeroUsize, panic::AssertUnwindSafe, pin::Pin, task::Poll, time::Duration};

use buttress_idempotency::{Effect, EventKind, Followers, IdempotencyLayer, IdempotencyStore, Leaving};
use http::Response;
use http_body::Body;
use tokio::{
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::common::{Events, Far, Handler, Scope1, Script, Step, layer, layer_over, over, post, read, send};

const SECOND: Duration = Duration::from_secs(1);

/// A run with as many places to leave it as there are: the handler and its body give way several times.
fn long_way() -> Handler {
    Handler::new(|_, _| async {
        for _ in 0..3 {
            sleep(SECOND).await;
        }
        let steps = [Step::Data("a"), Step::Sleep(SECOND), Step::Data("b"), Step::Sleep(SECOND), Step::Data("c")];
        Ok(Response::new(Script::new(steps)))
    })
}

/// Drives one request, and leaves after so many polls of future and body. `false` when it came to its end before.
async fn leave_after<St: IdempotencyStore>(
    layer: &IdempotencyLayer<St, Scope1>,
    handler: &Handler,
    polls: usize,
) -> bool {
    let mut left = polls;
    let mut future = Box::pin(over(layer, handler).oneshot(post("a", "x")));
    let response = loop {
        if left == 0 {
            return true;
        }
        left -= 1;
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        match polled {
            Poll::Ready(response) => break response.unwrap(),
            Poll::Pending => sleep(SECOND / 100).await,
        }
    };
    drop(future);
    let mut body = response.into_body();
    loop {
        if left == 0 {
            return true;
        }
        left -= 1;
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx))).await;
        match polled {
            Poll::Ready(None) => return false,
            Poll::Ready(Some(frame)) => _ = frame.unwrap(),
            Poll::Pending => sleep(SECOND / 100).await,
        }
    }
}

// IDM-7, IDM-14: on several threads, and the first one leaves at every poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_five_hundred_equal_requests_at_once_one_runs_wherever_the_first_one_leaves() {
    let handler = || {
        Handler::new(|_, _| async {
            for _ in 0..3 {
                yield_now().await;
            }
            Ok(Response::new(Script::new([
                Step::Data("a"),
                Step::Yield,
                Step::Data("b"),
                Step::Yield,
                Step::Data("c"),
            ])))
        })
    };
    for polls in 1.. {
        let (layer, handler) = (layer().followers(Followers::Wait(60 * SECOND)), handler());
        let service = over(&layer, &handler);
        let ask = || {
            let service = service.clone();
            async move { send(&service, post("a", "x")).await }
        };
        let mut first = Box::pin(ask());
        let mut is_over = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await.is_ready();
        let mut others: JoinSet<_> = (1..500).map(|_| ask()).collect();
        for _ in 1..polls {
            yield_now().await;
            is_over = is_over || poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx))).await.is_ready();
        }
        drop(first);
        while let Some(seen) = others.join_next().await {
            let seen = seen.unwrap();
            assert_eq!((seen.body.as_str(), seen.is_replay()), ("abc", true), "left after {polls} polls");
        }
        assert_eq!(handler.runs(), 1, "left after {polls} polls");
        if is_over {
            assert!(polls > 5, "it gives way on its way");
            break;
        }
    }
}

/// What the same request gets once everything has come to rest.
async fn in_the_end<St: IdempotencyStore>(
    layer: &IdempotencyLayer<St, Scope1>,
    handler: &Handler,
) -> crate::common::Seen {
    timeout(600 * SECOND, layer.detached().idle()).await.expect("what goes on ends");
    sleep(SECOND).await;
    send(&over(layer, handler), post("a", "x")).await
}

// IDM-14: the caller leaves at every poll, also before the first.
#[tokio::test(start_paused = true)]
async fn wherever_the_caller_leaves_the_job_runs_once_and_its_answer_is_there() {
    let mut polls = 0;
    loop {
        let (layer, handler) = (layer(), long_way());
        let early = leave_after(&layer, &handler, polls).await;
        let again = in_the_end(&layer, &handler).await;
        assert_eq!((again.body.as_str(), handler.runs()), ("abc", 1), "left after {polls} polls");
        assert_eq!(layer.detached().running(), 0);
        if !early {
            break;
        }
        polls += 1;
    }
    assert!(polls > 10, "there were places to leave: {polls}");
}

// IDM-14: what has panicked is not asked again, and a part of an answer is not taken for the whole.
#[tokio::test]
async fn an_answer_whose_body_panics_is_done_and_cannot_be_replayed() {
    let handler = Handler::with(|| Response::new(Script::new([Step::Data("a"), Step::Panic])));
    let layer = layer();
    let service = over(&layer, &handler);
    let asking = service.clone();
    assert!(tokio::spawn(async move { send(&asking, post("a", "x")).await }).await.unwrap_err().is_panic());
    layer.detached().idle().await;
    let again = send(&service, post("a", "x")).await;
    assert_eq!((again.code().as_str(), handler.runs()), ("result_unavailable", 1), "{again:?}");
}

// IDM-14
#[tokio::test(start_paused = true)]
async fn the_same_over_a_far_store() {
    let mut polls = 0;
    loop {
        let (layer, handler) = (layer_over(Far::new()), long_way());
        let early = leave_after(&layer, &handler, polls).await;
        let again = in_the_end(&layer, &handler).await;
        assert_eq!((again.body.as_str(), handler.runs()), ("abc", 1), "left after {polls} polls: {again:?}");
        if !early {
            break;
        }
        polls += 1;
    }
    assert!(polls > 10, "there were places to leave: {polls}");
}

// IDM-13: never stuck, whatever the policy and wherever the caller leaves.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_abandoned_is_uncertain_or_its_key_is_free() {
    for effect in [Effect::Outside, Effect::None] {
        let mut polls = 0;
        let mut outcomes = Vec::new();
        loop {
            let (layer, handler) = (layer_over(Far::new()).leaving(Leaving::Abandon).effect(effect), long_way());
            let early = leave_after(&layer, &handler, polls).await;
            let runs = handler.runs();
            let again = in_the_end(&layer, &handler).await;
            let code = if again.status == 200 { again.body.clone() } else { again.code() };
            // Left before it ran: it runs now. While it ran: uncertain or free. While its body came: done. At the end: all.
            let expected = ["abc", "operation_uncertain", "result_unavailable"];
            assert!(expected.contains(&code.as_str()), "left after {polls} polls: {again:?}");
            assert!(effect == Effect::None || handler.runs() == 1, "left after {polls} polls, {runs} before");
            outcomes.push((runs, code));
            if !early {
                break;
            }
            polls += 1;
        }
        outcomes.dedup();
        let of = |runs, code: &str| (runs, code.to_owned());
        let while_it_ran = if effect == Effect::None { of(1, "abc") } else { of(1, "operation_uncertain") };
        assert_eq!(outcomes, [of(0, "abc"), while_it_ran, of(1, "result_unavailable"), of(1, "abc")], "{effect:?}");
    }
}

// IDM-14: a process that ends then takes no word to the store with it.
#[tokio::test(start_paused = true)]
async fn who_waits_for_what_goes_on_waits_until_the_store_knows_of_it() {
    for leaving in [Leaving::Abandon, Leaving::Finish(SECOND), Leaving::Finish(60 * SECOND)] {
        for polls in (0..).step_by(2) {
            let layer = layer_over(Far::new()).leaving(leaving);
            let early = leave_after(&layer, &long_way(), polls).await;
            layer.detached().idle().await;
            let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            assert_eq!(alive, 0, "left after {polls} polls: {leaving:?}");
            if !early {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_has_an_end() {
    let events = Events::default();
    let hangs = Handler::new(|_, _| std::future::pending());
    let layer = layer().leaving(Leaving::Finish(30 * SECOND)).on_event(events.hook());
    assert!(leave_after(&layer, &hangs, 1).await);
    assert_eq!(layer.detached().running(), 1);
    sleep(29 * SECOND).await;
    assert_eq!(send(&over(&layer, &hangs), post("a", "x")).await.code(), "idempotency_in_progress");
    timeout(2 * SECOND, layer.detached().idle()).await.unwrap();
    assert_eq!(send(&over(&layer, &hangs), post("a", "x")).await.code(), "operation_uncertain");
    use EventKind::{Doubted, First, InProgress, Uncertain, WentOn};
    assert_eq!(events.all(), [First, WentOn, InProgress, Doubted, Uncertain]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_goes_on_has_an_end_too() {
    let endless = Handler::new(|_, _| async { Ok(Response::new(Script::new([Step::Data("a"), Step::Hang]))) });
    let layer = layer().leaving(Leaving::Finish(30 * SECOND));
    assert!(leave_after(&layer, &endless, 2).await);
    assert_eq!(layer.detached().running(), 1);
    timeout(31 * SECOND, layer.detached().idle()).await.unwrap();
    assert_eq!(send(&over(&layer, &endless), post("a", "x")).await.code(), "result_unavailable");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_runs_go_on_at_once() {
    let slow = Handler::slow(10 * SECOND);
    let layer = layer().most_detached(NonZeroUsize::new(2).unwrap());
    for key in ["a", "b", "c"] {
        let mut future = Box::pin(over(&layer, &slow).oneshot(post(key, "x")));
        assert!(poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await);
    }
    assert_eq!(layer.detached().running(), 2);
    layer.detached().idle().await;
    let service = over(&layer, &slow);
    for (key, status) in [("a", 200), ("b", 200), ("c", 409)] {
        assert_eq!(send(&service, post(key, "x")).await.status, status, "{key}");
    }
    assert_eq!(slow.runs(), 3);
}

// IDM-13
#[tokio::test(start_paused = true)]
async fn a_panic_goes_on_and_leaves_its_key_uncertain_or_free() {
    let late = || {
        Handler::new(|_, _| async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        })
    };
    let early = || Handler::new(|_, _| -> std::future::Ready<crate::common::Answered> { panic!("on purpose") });
    for (effect, status, runs) in [(Effect::Outside, 409, 1), (Effect::None, 200, 2)] {
        for handler in [late(), early()] {
            let layer = layer().effect(effect);
            let future = AssertUnwindSafe(over(&layer, &handler).oneshot(post("a", "x")));
            assert!(tokio::spawn(future.0).await.unwrap_err().is_panic());
            let healthy = Handler::numbered();
            let again = send(&over(&layer, &healthy), post("a", "x")).await;
            assert_eq!((again.status, handler.runs() + healthy.runs()), (status, runs), "{effect:?}");
        }
    }
}

// IDM-13
#[tokio::test(start_paused = true)]
async fn a_panic_of_what_goes_on_is_settled_as_well() {
    let handler = Handler::new(|_, _| async {
        sleep(SECOND).await;
        panic!("on purpose")
    });
    let layer = layer();
    assert!(leave_after(&layer, &handler, 1).await);
    layer.detached().idle().await;
    assert_eq!(send(&over(&layer, &handler), post("a", "x")).await.code(), "operation_uncertain");
}

#[tokio::test(start_paused = true)]
async fn a_time_out_above_is_a_caller_who_left() {
    use tower::{Layer, timeout::Timeout};

    let (layer, handler) = (layer(), Handler::slow(10 * SECOND));
    let service = Timeout::new(layer.layer(handler.clone()), SECOND);
    assert!(service.oneshot(post("a", "x")).await.is_err());
    assert_eq!(in_the_end(&layer, &handler).await.body, "run 1");
    assert_eq!(handler.runs(), 1);
}

#[test]
fn outside_of_a_runtime_a_run_that_is_left_is_uncertain() {
    let (layer, handler) = (layer(), Handler::new(|_, _| std::future::pending()));
    let mut future = Box::pin(over(&layer, &handler).oneshot(post("a", "x")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending()))));
    drop(future);
    let again = runtime.block_on(async { read(over(&layer, &handler).oneshot(post("a", "x")).await.unwrap()).await });
    assert_eq!(again.code(), "operation_uncertain");
}

#[test]
fn a_runtime_that_ends_leaves_nothing_running_for_ever() {
    let (layer, handler) = (layer(), Handler::slow(10 * SECOND));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    assert!(runtime.block_on(leave_after(&layer, &handler, 1)));
    assert_eq!(layer.detached().running(), 1);
    drop(runtime);
    assert_eq!(layer.detached().running(), 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert_eq!(runtime.block_on(send(&over(&layer, &handler), post("a", "x"))).code(), "operation_uncertain");
}
