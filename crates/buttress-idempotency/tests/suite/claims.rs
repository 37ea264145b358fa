use std::time::Duration;

use buttress_idempotency::{Effect, EventKind, Followers, Lease, Verdict};
use http::{Request, Response, Uri, header::CONTENT_TYPE};
use http_body_util::Full;
use tokio::{
    task::JoinSet,
    time::{Instant, advance, sleep, timeout},
};
use tower::ServiceExt;

use crate::common::{Events, Far, Handler, Script, Step, layer, layer_over, over, post, send};

const SECOND: Duration = Duration::from_secs(1);

// IDM-6
#[tokio::test]
async fn the_same_request_gets_the_same_answer_marked_as_a_replay() {
    let handler = Handler::with(|| {
        let answer = Response::builder().status(201).header("location", "/jobs/7").header("x-other", "1");
        answer.header("content-type", "text/plain").body(Script::text("made")).unwrap()
    });
    let service = over(&layer(), &handler);
    let first = send(&service, post("a", "x")).await;
    let again = send(&service, post("a", "x")).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    assert_eq!((again.status, again.body.as_str(), handler.runs()), (201, "made", 1));
    assert_eq!((again.header("location"), again.header("content-type")), (Some("/jobs/7"), Some("text/plain")));
    assert!(again.is_replay());
    assert_eq!(again.header("x-other"), None, "it is not on the list");
}

// IDM-4
#[tokio::test]
async fn another_request_with_the_same_key_is_422() {
    let handler = Handler::numbered();
    let service = over(&layer(), &handler);
    send(&service, post("a", "x")).await;
    let changes: [fn(&mut Request<Full<bytes::Bytes>>); 6] = [
        |request| *request.body_mut() = "y".into(),
        |request| *request.uri_mut() = Uri::from_static("/jobs?a=2"),
        |request| *request.uri_mut() = Uri::from_static("/jobs"),
        |request| *request.uri_mut() = Uri::from_static("/jobz?a=1"),
        |request| *request.method_mut() = http::Method::PATCH,
        |request| _ = request.headers_mut().insert(CONTENT_TYPE, "text/csv".parse().unwrap()),
    ];
    for (i, change) in changes.iter().enumerate() {
        let mut request = post("a", "x");
        change(&mut request);
        let seen = send(&service, request).await;
        assert_eq!((seen.status, seen.code().as_str()), (422, "idempotency_mismatch"), "change {i}");
        assert_eq!(seen.json()["details"]["safeNewKey"], true);
    }
    assert_eq!(handler.runs(), 1);
    assert!(send(&service, post("a", "x")).await.is_replay());
}

#[tokio::test]
async fn a_path_is_compared_as_the_caller_asked_for_it() {
    #[derive(Clone)]
    struct Whole(Uri);

    let handler = Handler::numbered();
    let layer = layer().original_uri(|parts| parts.extensions.get::<Whole>().map_or(&parts.uri, |uri| &uri.0));
    let service = over(&layer, &handler);
    let nested = |whole: &'static str| {
        let mut request = post("a", "x");
        request.extensions_mut().insert(Whole(Uri::from_static(whole)));
        request
    };
    send(&service, nested("/one/jobs")).await;
    assert_eq!(send(&service, nested("/two/jobs")).await.status, 422);
    assert!(send(&service, nested("/one/jobs")).await.is_replay());
}

// IDM-5
#[tokio::test(start_paused = true)]
async fn while_the_first_runs_the_same_request_is_409_with_the_rest_of_the_lease() {
    let handler = Handler::slow(5 * SECOND);
    let layer = layer().lease(Lease::new(60 * SECOND).unwrap());
    let service = over(&layer, &handler);
    let first = tokio::spawn(service.clone().oneshot(post("a", "x")));
    tokio::task::yield_now().await;
    advance(3 * SECOND).await;
    let seen = send(&service, post("a", "x")).await;
    assert_eq!((seen.status, seen.code().as_str()), (409, "idempotency_in_progress"));
    assert_eq!(seen.header("retry-after"), Some("57"));
    assert_eq!(
        (seen.json()["retryable"].clone(), seen.json()["details"]["safeNewKey"].clone()),
        (true.into(), false.into())
    );
    assert_eq!(send(&service, post("a", "y")).await.status, 422, "another request is told so while it runs");
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    assert_eq!(handler.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_waits_gets_the_answer_as_soon_as_it_is_there() {
    let handler = Handler::slow(3 * SECOND);
    let service = over(&layer().followers(Followers::Wait(60 * SECOND)), &handler);
    let start = Instant::now();
    let (first, second, third) =
        tokio::join!(send(&service, post("a", "x")), send(&service, post("a", "x")), send(&service, post("a", "y")));
    assert_eq!((first.body.as_str(), second.body.as_str(), handler.runs()), ("run 1", "run 1", 1));
    assert!(second.is_replay() && !first.is_replay());
    assert_eq!(third.status, 422, "another request does not wait");
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_follower_waits_no_longer_than_its_limit() {
    let handler = Handler::slow(30 * SECOND);
    let service = over(&layer().followers(Followers::Wait(2 * SECOND)), &handler);
    let first = tokio::spawn(service.clone().oneshot(post("a", "x")));
    tokio::task::yield_now().await;
    let start = Instant::now();
    let seen = send(&service, post("a", "x")).await;
    assert_eq!((seen.status, seen.code().as_str()), (409, "idempotency_in_progress"));
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert!(seen.headers.contains_key("retry-after"));
    first.await.unwrap().unwrap();
    assert!(send(&service, post("a", "x")).await.is_replay());
}

#[tokio::test(start_paused = true)]
async fn when_the_first_took_no_effect_one_of_those_who_wait_runs() {
    let handler = Handler::new(|run, _| async move {
        sleep(SECOND).await;
        let mut response = Response::new(Script::text("done"));
        if run == 1 {
            *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
        }
        Ok(response)
    });
    for service in [over(&layer().followers(Followers::Wait(60 * SECOND)), &handler)] {
        let ask = || send(&service, post("a", "x"));
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        assert_eq!((first.status, second.status, third.status), (429, 200, 200));
        assert_eq!(handler.runs(), 2);
        assert!(second.is_replay() != third.is_replay());
    }
}

// IDM-5
#[tokio::test(start_paused = true)]
async fn who_waits_for_another_run_gives_back_what_it_had_reserved() {
    use tower::{Layer, limit::GlobalConcurrencyLimitLayer};

    let handler = Handler::slow(SECOND);
    let limited = GlobalConcurrencyLimitLayer::new(2).layer(handler.clone());
    let service = layer().followers(Followers::Wait(60 * SECOND)).layer(limited);
    let mut tasks = JoinSet::new();
    for _ in 0..5 {
        tasks.spawn({
            let service = service.clone();
            async move { send(&service, post("a", "x")).await }
        });
    }
    tokio::task::yield_now().await;
    let start = Instant::now();
    assert_eq!(send(&service, post("b", "x")).await.status, 200, "there is room for another key");
    assert_eq!(start.elapsed(), SECOND);
    while let Some(seen) = tasks.join_next().await {
        assert_eq!(seen.unwrap().body, "run 1");
    }
    assert_eq!(handler.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_at_once_holds_no_place_below_even_if_its_service_is_kept() {
    use tower::{Layer, Service, limit::GlobalConcurrencyLimitLayer};

    let limited = GlobalConcurrencyLimitLayer::new(1).layer(Handler::numbered());
    let mut kept = layer().layer(limited);
    let other = kept.clone();
    let refused = kept.ready().await.unwrap().call(post("\"", "x")).await.unwrap();
    assert_eq!(refused.status(), 400);
    let seen = timeout(SECOND, send(&other, post("a", "x"))).await.expect("the only place is free");
    assert_eq!(seen.body, "run 1");
}

#[tokio::test(start_paused = true)]
async fn who_is_answered_without_a_run_holds_no_place_below_even_if_its_future_is_kept() {
    use tower::{Layer, Service, limit::GlobalConcurrencyLimitLayer};

    let limited = GlobalConcurrencyLimitLayer::new(1).layer(Handler::numbered());
    let mut service = layer().layer(limited);
    send(&service, post("a", "x")).await;
    let mut kept = Vec::new();
    for (body, status) in [("x", 200), ("other", 422), ("x", 200)] {
        let ready = timeout(SECOND, service.ready()).await.expect("those before have given their place back");
        let mut future = Box::pin(ready.unwrap().call(post("a", body)));
        assert_eq!(future.as_mut().await.unwrap().status(), status);
        kept.push(future);
    }
}

// IDM-7
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_five_hundred_equal_requests_at_once_on_several_threads_one_runs() {
    for followers in [Followers::Refuse, Followers::Wait(30 * SECOND)] {
        let handler = Handler::slow(Duration::from_millis(20));
        let service = over(&layer().followers(followers), &handler);
        let mut tasks = JoinSet::new();
        for _ in 0..500 {
            let service = service.clone();
            tasks.spawn(async move { send(&service, post("a", "x")).await });
        }
        let seen = tasks.join_all().await;
        assert_eq!(handler.runs(), 1);
        let firsts = seen.iter().filter(|seen| seen.status == 200 && !seen.is_replay()).count();
        assert_eq!(firsts, 1);
        match followers {
            Followers::Refuse => assert!(seen.iter().all(|seen| seen.status == 200 || seen.status == 409)),
            _ => assert!(seen.iter().all(|seen| seen.status == 200 && seen.body == "run 1")),
        }
        assert!(send(&service, post("a", "x")).await.is_replay());
    }
}

// IDM-7
#[tokio::test(start_paused = true)]
async fn of_many_equal_requests_at_once_over_a_far_store_one_runs() {
    let handler = Handler::slow(SECOND);
    let layer = layer_over(Far::new()).followers(Followers::Wait(60 * SECOND));
    let service = over(&layer, &handler);
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let service = service.clone();
        tasks.spawn(async move { send(&service, post("a", "x")).await });
    }
    let seen = tasks.join_all().await;
    assert!(seen.iter().all(|seen| seen.body == "run 1"), "{seen:?}");
    assert_eq!((handler.runs(), seen.iter().filter(|seen| !seen.is_replay()).count()), (1, 1));
}

// IDM-22
#[tokio::test]
async fn problems_say_which_operation_they_are_about_and_whether_a_new_key_is_safe() {
    let handler = Handler::with(|| {
        let mut response = Response::new(Script::text("?"));
        response.extensions_mut().insert(Verdict::Doubt);
        response
    });
    let layer = layer();
    let service = over(&layer, &handler);
    send(&service, post("a", "x")).await;
    let seen = send(&service, post("a", "x")).await;
    let details = &seen.json()["details"];
    assert_eq!(
        (seen.status, seen.code().as_str(), &details["safeNewKey"]),
        (409, "operation_uncertain", &false.into())
    );
    assert_eq!(seen.header("x-should-retry"), Some("false"));
    let operation = details["operation"].as_str().unwrap().parse().unwrap();
    use buttress_idempotency::IdempotencyStore;
    assert!(layer.store().look(&operation).await.unwrap().is_some(), "and an operator can look it up by that");
    assert!(layer.store().purge(&operation).await.unwrap());
    assert_eq!(send(&service, post("a", "x")).await.status, 200);
}

// IDM-17
#[tokio::test]
async fn a_body_above_the_limit_is_413_and_one_at_the_limit_is_not() {
    let handler = Handler::numbered();
    let layer = layer().body_limit(4).unwrap();
    let service = over(&layer, &handler);
    assert_eq!(send(&service, post("a", "12345")).await.code(), "payload_too_large");
    assert!(layer.store().is_empty());
    assert_eq!(send(&service, post("a", "1234")).await.status, 200);
    let keyless = Request::post("/jobs").body("12345".into()).unwrap();
    assert_eq!(send(&service, keyless).await.status, 200, "without a key nothing is read");
}

#[tokio::test]
async fn the_handler_gets_the_body_as_it_came_trailers_included() {
    use buttress_idempotency::{IdempotencyLayer, MemoryStore, RequestBody, Secret};
    use http_body_util::BodyExt;
    use tower::{Layer, service_fn};

    let steps =
        || [Step::Data("ab"), Step::Big(3_000), Step::Data("cd"), Step::Data("ef"), Step::Trailers("x-sum", "1")];
    let handler = service_fn(|request: Request<RequestBody<Script>>| async move {
        let (_, body) = request.into_parts();
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(3_006));
        let whole = body.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["x-sum"], "1");
        Ok::<_, crate::common::Broken>(Response::new(Full::<bytes::Bytes>::new(whole.to_bytes())))
    });
    let service = IdempotencyLayer::new(MemoryStore::default(), Secret::random()).unscoped().layer(handler);
    for key in [None, Some("a")] {
        let mut request = Request::post("/").body(Script::new(steps()).promising(3_006)).unwrap();
        request
            .headers_mut()
            .extend(key.map(|key| (buttress_idempotency::Key::HEADER, http::HeaderValue::from_static(key))));
        let response = service.clone().oneshot(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("ab{}cdef", "x".repeat(3_000)));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400_and_runs_nothing() {
    use buttress_idempotency::{IdempotencyLayer, MemoryStore, RequestBody, Secret};
    use tower::{Layer, service_fn};

    let handler = service_fn(|_: Request<RequestBody<Script>>| async {
        unreachable!("it never runs");
        #[expect(unreachable_code, reason = "it says what the handler would answer")]
        Ok::<_, crate::common::Broken>(Response::new(Script::text("")))
    });
    let layer = IdempotencyLayer::new(MemoryStore::default(), Secret::random()).unscoped();
    let request = Request::post("/").header("idempotency-key", "a");
    let request = request.body(Script::new([Step::Data("a"), Step::Fail])).unwrap();
    let seen = crate::common::read(layer.layer(handler).oneshot(request).await.unwrap()).await;
    assert_eq!((seen.status, seen.code().as_str()), (400, "bad_request"));
    assert!(layer.store().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_408_and_runs_nothing() {
    use buttress_idempotency::{IdempotencyLayer, MemoryStore, Secret};
    use tower::{Layer, service_fn};

    let handler = service_fn(|_: Request<buttress_idempotency::RequestBody<Script>>| async {
        Ok::<_, crate::common::Broken>(Response::new(Script::text("it ran")))
    });
    let layer =
        IdempotencyLayer::new(MemoryStore::default(), Secret::random()).unscoped().body_time(5 * SECOND).unwrap();
    let request = Request::post("/").header("idempotency-key", "a").body(Script::new([Step::Data("a"), Step::Hang]));
    let start = Instant::now();
    let seen = crate::common::read(layer.layer(handler).oneshot(request.unwrap()).await.unwrap()).await;
    assert_eq!((seen.status, seen.code().as_str(), start.elapsed()), (408, "request_timeout", 5 * SECOND));
    assert!(layer.store().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_made_here_makes_one_job_of_two_presses_and_two_of_later_ones() {
    let handler = Handler::numbered();
    let service = over(&layer().make_keys(10 * SECOND).unwrap(), &handler);
    let press = |body: &'static str| Request::post("/jobs").body(body.into()).unwrap();
    assert_eq!(send(&service, press("x")).await.body, "run 1");
    advance(9 * SECOND).await;
    let again = send(&service, press("x")).await;
    assert_eq!((again.body.as_str(), again.is_replay()), ("run 1", true));
    assert_eq!(send(&service, press("y")).await.body, "run 2", "another body is another job");
    assert_eq!(send(&service, post("k", "x")).await.body, "run 3", "a key that was sent is another one");
    advance(SECOND).await;
    assert_eq!(send(&service, press("x")).await.body, "run 4", "and so is a later press");
}

#[cfg(feature = "json")]
#[tokio::test]
async fn json_is_compared_by_what_it_says_if_so_wished() {
    let json = |body: &'static str| {
        let mut request = post("a", body);
        request.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        request
    };
    for (layer, expected) in [(layer().canonical_json(), 200), (layer(), 422)] {
        let service = over(&layer, &Handler::numbered());
        send(&service, json(r#"{"a":1,"b":2}"#)).await;
        assert_eq!(send(&service, json(r#"{ "b": 2, "a": 1 }"#)).await.status, expected);
        assert_eq!(send(&service, json(r#"{"a":2,"b":1}"#)).await.status, 422);
    }
}

// IDM-27
#[tokio::test]
async fn the_key_for_calls_is_one_for_each_operation_and_the_same_on_each_try() {
    use buttress_idempotency::Run;
    use std::sync::{Arc, Mutex};

    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let handler = Handler::new(move |_, request| {
        let run = *request.extensions().get::<Run>().expect("a run with a key knows it");
        noted.lock().unwrap().push((run.call_key(), run.token()));
        async { Err(crate::common::Broken) }
    });
    let service = over(&layer().effect(Effect::None), &handler);
    for key in ["a", "a", "b"] {
        service.clone().oneshot(post(key, "x")).await.unwrap_err();
    }
    let restarted = over(&layer().effect(Effect::None), &handler);
    restarted.oneshot(post("a", "x")).await.unwrap_err();
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0, seen[1].0);
    assert_ne!(seen[0].0, seen[2].0);
    assert!(seen[0].1 < seen[1].1 && seen[1].1 < seen[2].1, "tokens grow");
    assert_eq!(seen[3].0, seen[0].0, "also after a restart, with the same secret");
}

#[tokio::test]
async fn events_tell_what_became_of_each_request_and_each_run() {
    let events = Events::default();
    let handler = Handler::numbered();
    let service = over(&layer().on_event(events.hook()), &handler);
    for (key, body) in [("a", "x"), ("a", "x"), ("a", "y"), ("\"", "x")] {
        send(&service, post(key, body)).await;
    }
    use EventKind::{First, InvalidKey, Mismatch, Recorded, Replayed};
    assert_eq!(events.all(), [First, Recorded, Replayed, Mismatch, InvalidKey]);
}
