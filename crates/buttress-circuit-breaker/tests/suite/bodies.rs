//! Calls are judged when the body of their answer ends.

use buttress_circuit_breaker::{JudgeAt, Policy, ResponseBody, Verdict};
use http::Response;
use http_body::Body;

use crate::common::{Script, Stack, Step, Then, drain, policy, poll, script};

fn answer(code: u16, body: Script) -> Then {
    Then::Answer(Response::builder().status(code).body(body).unwrap())
}

fn events(body: Script) -> Then {
    let response = Response::builder().header("content-type", "Text/Event-Stream; charset=utf-8");
    Then::Answer(response.body(body).unwrap())
}

/// The calls and failures that there are after an answer was read by so many polls and dropped.
async fn after(policy: Policy, then: Then, polls: usize) -> (u64, u64) {
    let stack = Stack::new(policy.minimum_calls(10));
    stack.provider.next(then);
    let mut answer = stack.ask().await.unwrap();
    for _ in 0..polls {
        let _ = poll(answer.body_mut());
    }
    drop(answer);
    let snapshot = stack.circuit().snapshot();
    (snapshot.calls, snapshot.failures)
}

const DATA: [Step; 3] = [Step::Data("a"), Step::Pending, Step::Data("b")];

#[tokio::test]
async fn a_call_counts_once_its_body_has_ended_and_not_before() {
    let stack = Stack::new(policy());
    stack.provider.next(answer(200, script(&DATA)));
    let mut answer = stack.ask().await.unwrap();
    for _ in 0..3 {
        let _ = poll(answer.body_mut());
        assert_eq!(stack.circuit().snapshot().calls, 0);
    }
    let _ = poll(answer.body_mut());
    assert_eq!(stack.circuit().snapshot().calls, 1);
    drain(answer.body_mut());
    drop(answer);
    assert_eq!(stack.circuit().snapshot().calls, 1);
}

#[tokio::test]
async fn a_body_that_breaks_is_a_local_failure() {
    let stack = Stack::new(policy());
    let _ = stack.call(answer(200, script(&[Step::Data("a"), Step::Error]))).await;
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.calls, snapshot.failures, snapshot.local_failures), (1, 1, 1));
}

#[tokio::test]
async fn a_failure_by_its_head_counts_before_its_body_is_read() {
    let stack = Stack::new(policy());
    stack.provider.next(answer(502, script(&DATA)));
    let answer = stack.ask().await.unwrap();
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.failures, snapshot.local_failures), (1, 0));
    drop(answer);
    assert_eq!(stack.circuit().snapshot().calls, 1);
}

#[tokio::test]
async fn a_body_that_is_dropped_early_counts_by_the_policy() {
    let cut = || answer(200, script(&DATA));
    assert_eq!(after(policy(), cut(), 1).await, (1, 0));
    assert_eq!(after(policy().early_drop(Verdict::Failure), cut(), 1).await, (1, 1));
    assert_eq!(after(policy().early_drop(Verdict::Ignore), cut(), 1).await, (0, 0));
    // Nobody left early who has read all of it.
    let told = || answer(200, Script { tells_its_end: true, ..script(&DATA) });
    assert_eq!(after(policy().early_drop(Verdict::Failure), told(), 3).await, (1, 0));
    assert_eq!(after(policy().early_drop(Verdict::Failure), cut(), 3).await, (1, 1));
}

#[tokio::test]
async fn event_streams_are_judged_by_their_head_unless_the_policy_says_otherwise() {
    let breaks = || events(script(&[Step::Data("data: 1\n\n"), Step::Error]));
    assert_eq!(after(policy(), breaks(), 5).await, (1, 0));
    assert_eq!(after(policy().event_streams(JudgeAt::End), breaks(), 5).await, (1, 1));
    assert_eq!(after(policy().early_drop(Verdict::Failure), events(script(&DATA)), 1).await, (1, 0));
}

#[tokio::test]
async fn bodies_can_be_judged_by_their_head() {
    let breaks = answer(200, script(&[Step::Error]));
    assert_eq!(after(policy().bodies(JudgeAt::Head), breaks, 5).await, (1, 0));
    let stream = events(script(&[Step::Error]));
    assert_eq!(after(policy().bodies(JudgeAt::Head).event_streams(JudgeAt::End), stream, 5).await, (1, 1));
}

#[tokio::test]
async fn the_body_of_an_answer_to_head_is_not_waited_for() {
    let stack = Stack::new(policy().early_drop(Verdict::Failure));
    stack.provider.next(answer(200, Script { length: Some(10), ..script(&[]) }));
    let request = http::Request::head("/").body(()).unwrap();
    let answer = tower::ServiceExt::oneshot(stack.service.clone(), request).await.unwrap();
    drop(answer);
    let snapshot = stack.circuit().snapshot();
    assert_eq!((snapshot.calls, snapshot.failures), (1, 0));
}

#[tokio::test]
async fn frames_trailers_and_hints_go_through() {
    let stack = Stack::new(policy());
    let steps = [Step::Data("abc"), Step::Trailers];
    stack.provider.next(answer(200, Script { length: Some(3), tells_its_end: true, ..script(&steps) }));
    let mut body: ResponseBody<Script> = stack.ask().await.unwrap().into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
    let std::task::Poll::Ready(Some(Ok(frame))) = poll(&mut body) else { panic!("data") };
    assert_eq!(frame.into_data().unwrap(), "abc");
    let std::task::Poll::Ready(Some(Ok(frame))) = poll(&mut body) else { panic!("trailers") };
    assert!(frame.is_trailers());
    assert!(body.is_end_stream());
    assert_eq!(stack.circuit().snapshot().calls, 1);
}
