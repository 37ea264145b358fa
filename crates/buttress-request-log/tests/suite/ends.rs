//! How a request ends, and that it ends once.

use std::{
    convert::Infallible,
    future::{pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use buttress_core::{Body as CoreBody, Problem, ProblemCode};
use buttress_request_log::Outcome;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::common::{Records, Script, Step, answer, drain, get, poll, script};

const LIMITED: ProblemCode = ProblemCode::new("rate_limited");

fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn the_line_is_written_when_the_body_ends_and_not_with_the_head() {
    let records = Records::default();
    let body = script(&[Step::Data("abc"), Step::Pending, Step::Data("de"), Step::Trailers]);
    let mut body = answer(&records.layer(), get(), Response::new(body)).await.into_body();
    for _ in 0..4 {
        let _ = poll(&mut body);
        assert!(records.outcomes().is_empty());
    }
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    let record = records.one();
    assert_eq!((record.outcome, record.status), (Outcome::Answered, Some(StatusCode::OK)));
    assert_eq!(record.response_bytes, 5);
    drop(body);
    records.one();
}

#[tokio::test]
async fn a_last_frame_ends_it_even_if_the_end_is_never_polled() {
    let records = Records::default();
    let body = Script { tells_its_end: true, ..script(&[Step::Data("abc"), Step::Trailers]) };
    let mut body = answer(&records.layer(), get(), Response::new(body)).await.into_body();
    let _ = poll(&mut body);
    assert!(records.outcomes().is_empty());
    let _ = poll(&mut body);
    assert_eq!(records.one().outcome, Outcome::Answered);
}

#[tokio::test]
async fn who_stops_at_the_promised_length_has_not_left() {
    let by_hint = Response::new(Script { length: Some(3), ..script(&[Step::Data("abc")]) });
    let by_head = Response::builder().header("content-length", "3").body(script(&[Step::Data("abc")])).unwrap();
    for response in [by_hint, by_head] {
        let records = Records::default();
        let mut body = answer(&records.layer(), get(), response).await.into_body();
        let _ = poll(&mut body);
        assert!(records.outcomes().is_empty());
        drop(body);
        assert_eq!(records.one().outcome, Outcome::Answered);
    }
}

#[test]
fn a_future_that_is_dropped_before_its_first_poll_writes_its_line() {
    let records = Records::default();
    let mut service = records.layer().layer(service_fn(|_: Request<()>| pending::<Result<Response<Script>, ()>>()));
    drop(service.call(get()));
    let record = records.one();
    assert_eq!((record.outcome, record.status, record.time_to_first_byte), (Outcome::ClientLeft, None, None));
}

#[tokio::test]
async fn whoever_leaves_at_any_poll_leaves_one_line() {
    let steps = [Step::Data("ab"), Step::Pending, Step::Data("c"), Step::Trailers];
    // Polls of the future, then of the body, until everything has been polled.
    for polls in 0..=6 {
        let records = Records::default();
        let mut steps_of_handler = 0;
        let handler = poll_fn(move |_| {
            steps_of_handler += 1;
            if steps_of_handler == 1 { Poll::Pending } else { Poll::Ready(Ok::<_, ()>(Response::new(script(&steps)))) }
        });
        let mut handler = Some(handler);
        let mut service = records.layer().layer(service_fn(move |_: Request<()>| handler.take().unwrap()));
        let mut future = Box::pin(service.call(get()));
        let mut body = None;
        for _ in 0..polls {
            match &mut body {
                None => {
                    if let Poll::Ready(response) = now(future.as_mut()) {
                        body = Some(response.unwrap().into_body());
                    }
                }
                Some(body) => drop(poll(body)),
            }
        }
        drop((future, body));
        let record = records.one();
        assert_eq!(record.outcome, Outcome::ClientLeft, "after {polls} polls");
        assert_eq!(record.response_bytes, [0, 0, 0, 2, 2, 3, 3][polls]);
    }
}

#[tokio::test]
async fn an_error_in_place_of_an_answer_is_handed_on_and_written() {
    let records = Records::default();
    let handler = service_fn(|_: Request<()>| ready(Err::<Response<Script>, _>("no route to host")));
    let error = records.layer().layer(handler).oneshot(get()).await.unwrap_err();
    assert_eq!(error, "no route to host");
    let record = records.one();
    assert_eq!((record.outcome, record.status), (Outcome::Failed, None));
}

#[test]
fn a_panic_in_call_is_written_and_goes_on() {
    let records = Records::default();
    let handler =
        service_fn(|_: Request<()>| -> std::future::Ready<Result<Response<Script>, ()>> { panic!("in call") });
    let mut service = records.layer().layer(handler);
    let panic = catch_unwind(AssertUnwindSafe(|| service.call(get()))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "in call");
    assert_eq!(records.one().outcome, Outcome::Panicked);
}

#[test]
fn a_panic_while_the_route_is_found_is_one_of_the_request() {
    let records = Records::default();
    let layer = records.layer().route(|_| panic!("in the finder"));
    let mut service = layer.layer(service_fn(|_: Request<()>| pending::<Result<Response<Script>, ()>>()));
    assert!(catch_unwind(AssertUnwindSafe(|| service.call(get()))).is_err());
    assert_eq!(records.one().outcome, Outcome::Panicked);
}

#[test]
fn a_panic_in_a_poll_is_written_and_goes_on() {
    let records = Records::default();
    let handler = service_fn(|_: Request<()>| poll_fn(|_| -> Poll<Result<Response<Script>, ()>> { panic!("in poll") }));
    let mut service = records.layer().layer(handler);
    let mut future = Box::pin(service.call(get()));
    let panic = catch_unwind(AssertUnwindSafe(|| now(future.as_mut()))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "in poll");
    // Written before whoever catches the panic drops the future.
    assert_eq!(records.one().outcome, Outcome::Panicked);
    drop(future);
    records.one();
}

#[tokio::test]
async fn a_panic_in_a_body_is_written_and_goes_on() {
    let records = Records::default();
    let body = script(&[Step::Data("abc"), Step::Panic]);
    let mut body = answer(&records.layer(), get(), Response::new(body)).await.into_body();
    let panic = catch_unwind(AssertUnwindSafe(|| drain(&mut body))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "the body panicked");
    let record = records.one();
    assert_eq!((record.outcome, record.response_bytes), (Outcome::Panicked, 3));
}

#[test]
fn a_future_that_falls_to_a_panic_outside_has_not_left() {
    let records = Records::default();
    let mut service = records.layer().layer(service_fn(|_: Request<()>| pending::<Result<Response<Script>, ()>>()));
    let outside = catch_unwind(AssertUnwindSafe(|| {
        let _future = service.call(get());
        panic!("in a layer further out");
    }));
    assert!(outside.is_err());
    assert_eq!(records.one().outcome, Outcome::Panicked);
}

#[tokio::test]
async fn an_answer_whose_body_nobody_reads_ends_with_its_head() {
    let cases = [
        (Method::HEAD, StatusCode::OK),
        (Method::GET, StatusCode::SWITCHING_PROTOCOLS),
        (Method::GET, StatusCode::NO_CONTENT),
        (Method::GET, StatusCode::NOT_MODIFIED),
        (Method::CONNECT, StatusCode::OK),
    ];
    for (method, status) in cases {
        let records = Records::default();
        let request = Request::builder().method(&method).body(()).unwrap();
        let response = Response::builder().status(status).header("content-length", "7");
        let response = response.body(script(&[Step::Data("unread!")])).unwrap();
        let mut body = answer(&records.layer(), request, response).await.into_body();
        let record = records.one();
        assert_eq!((record.outcome, record.response_bytes), (Outcome::Answered, 0), "{method} {status}");
        // Whoever reads on gets what is there, without a second line.
        drain(&mut body);
        records.one();
    }
}

#[tokio::test]
async fn an_empty_body_ends_with_its_head() {
    let records = Records::default();
    let body = Empty::<&[u8]>::new();
    let _response = answer(&records.layer(), get(), Response::new(body)).await;
    let record = records.one();
    assert_eq!(record.outcome, Outcome::Answered);
    assert_eq!(record.time_to_first_byte, Some(record.duration));
}

#[tokio::test]
async fn a_refusal_names_its_layer_and_its_code() {
    let records = Records::default();
    let refuse = || {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, LIMITED, "slow down").refused_by("rate_limit").into_response(None)
    };
    let response: Response<CoreBody<Script>> = refuse();
    drain(&mut Box::pin(answer(&records.layer(), get(), response).await.into_body()));
    let record = records.one();
    assert_eq!((record.outcome, record.status), (Outcome::Refused, Some(StatusCode::TOO_MANY_REQUESTS)));
    assert_eq!((record.refused_by, record.error_code), (Some("rate_limit"), Some(LIMITED)));

    let records = Records::default();
    let response: Response<CoreBody<Script>> = refuse();
    drop(answer(&records.layer(), get(), response).await);
    let record = records.one();
    assert_eq!((record.outcome, record.refused_by), (Outcome::ClientLeft, Some("rate_limit")));
}

#[tokio::test]
async fn a_problem_of_the_handler_is_an_answer_with_a_code() {
    let records = Records::default();
    let response: Response<CoreBody<Script>> =
        Problem::new(StatusCode::NOT_FOUND, ProblemCode::new("job_unknown"), "no such job").into_response(None);
    drain(&mut Box::pin(answer(&records.layer(), get(), response).await.into_body()));
    let record = records.one();
    assert_eq!((record.outcome, record.refused_by), (Outcome::Answered, None));
    assert_eq!(record.error_code.unwrap().as_str(), "job_unknown");
}

#[tokio::test(start_paused = true)]
async fn times_run_to_the_first_data_and_to_the_end_of_the_body() {
    let records = Records::default();
    let handler = service_fn(|_: Request<()>| async {
        sleep(Duration::from_millis(30)).await;
        Ok::<_, Infallible>(Response::new(script(&[Step::Trailers, Step::Data("a"), Step::Data("b")])))
    });
    let mut body = records.layer().layer(handler).oneshot(get()).await.unwrap().into_body();
    for pause in [5, 7, 11, 13] {
        sleep(Duration::from_millis(pause)).await;
        let _ = poll(&mut body);
    }
    let record = records.one();
    assert_eq!(record.time_to_first_byte, Some(Duration::from_millis(30 + 5 + 7)));
    assert_eq!(record.duration, Duration::from_millis(30 + 5 + 7 + 11 + 13));
}

#[tokio::test]
async fn a_body_keeps_its_frames_trailers_and_hints() {
    let records = Records::default();
    let body = Script { tells_its_end: true, length: Some(3), ..script(&[Step::Data("abc"), Step::Trailers]) };
    let body = answer(&records.layer(), get(), Response::new(body)).await.into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
    let whole = body.collect().await.unwrap();
    assert!(whole.trailers().is_some());
    assert_eq!(whole.to_bytes(), "abc");

    let body = answer(&records.layer(), get(), Response::new(Full::new(&b"abc"[..]))).await.into_body();
    assert_eq!(body.size_hint().exact(), Some(3));
}
