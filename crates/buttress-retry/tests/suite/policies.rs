//! Policies of others.

use buttress_core::{Problem, ProblemCode};
use buttress_retry::{Allowance, Backoff, Budget, Outcome, Policy, Repeat, RetryLayer, Verdict};
use http::{StatusCode, request::Parts};
use tower::{Layer, ServiceExt};

use crate::common::*;

fn layer() -> RetryLayer {
    RetryLayer::new().backoff(Backoff::NONE)
}

#[tokio::test]
async fn a_closure_decides_what_is_tried_again() {
    let layer = layer().policy(|outcome: &Outcome<'_, Broken>| match outcome {
        Outcome::Answer(answer) if answer.status == 418 => Verdict::Retry,
        Outcome::Error(Broken) => Verdict::Final,
        other => other.verdict(),
    });
    let server = Server::answers([status(418), status(503)]);
    assert_eq!(layer.layer(server.clone()).oneshot(get()).await.unwrap().status(), 200);
    assert_eq!(server.tries(), 3);
    let server = Server::new([Try::Fail]);
    assert_eq!(layer.layer(server.clone()).oneshot(get()).await.unwrap_err(), Broken);
}

#[derive(Clone)]
struct Searches;

impl<E> Policy<E> for Searches {
    fn repeat(&self, request: &Parts) -> Repeat {
        if request.uri.path() == "/x" { Repeat::Always } else { Repeat::of(request) }
    }

    fn judge(&self, outcome: &Outcome<'_, E>) -> Verdict {
        outcome.verdict()
    }
}

// RTY-1
#[tokio::test]
async fn a_policy_says_which_requests_may_be_repeated() {
    let server = Server::answers([status(503)]);
    assert_eq!(layer().policy(Searches).layer(server.clone()).oneshot(post("abc")).await.unwrap().status(), 200);
    assert!(server.seen().iter().all(|seen| seen.body == "abc"));
}

// RTY-1
#[tokio::test]
async fn what_provably_never_left_is_tried_again_whatever_its_method() {
    let layer = layer().never_left(|error: &Broken| *error == Broken);
    let server = Server::new([Try::Fail, Try::Fail]);
    assert_eq!(layer.layer(server.clone()).oneshot(post("abc")).await.unwrap().status(), 200);
    assert_eq!(server.seen().last().unwrap().body, "abc");
    // An answer proves that it left.
    let told = Told::default();
    let server = Server::answers([status(503)]);
    assert_eq!(told.by(layer.clone()).layer(server.clone()).oneshot(post("abc")).await.unwrap().status(), 503);
    assert_eq!((server.tries(), told.reasons()), (1, vec!["unrepeatable"]));
    let mut marked = post("abc");
    marked.extensions_mut().insert(Repeat::Never);
    let server = Server::new([Try::Fail]);
    assert!(layer.layer(server.clone()).oneshot(marked).await.is_err());
    assert_eq!(server.tries(), 1);
}

// RTY-18
#[tokio::test]
async fn what_a_layer_on_this_side_refused_never_left() {
    let refused = std::sync::Arc::new(std::sync::Mutex::new(vec![()]));
    let inner = Instantly(move |_| match refused.lock().unwrap().pop() {
        Some(()) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, ProblemCode::new("circuit_open"), "open")
            .may_retry()
            .refused_by("circuit_breaker")
            .into_response(None),
        None => status(200).map(buttress_core::Body::inner),
    });
    let layer = layer().never_left(|_: &std::convert::Infallible| false);
    assert_eq!(layer.layer(inner).oneshot(post("abc")).await.unwrap().status(), 200);
}

// RTY-19
#[tokio::test(start_paused = true)]
async fn what_was_given_back_unprocessed_is_tried_once_at_once_and_for_nothing() {
    #[derive(Clone)]
    struct GivenBack;
    impl Policy<Broken> for GivenBack {
        fn repeat(&self, _: &Parts) -> Repeat {
            Repeat::IfUnsent
        }

        fn judge(&self, outcome: &Outcome<'_, Broken>) -> Verdict {
            match outcome {
                Outcome::Error(_) => Verdict::Unprocessed,
                other => other.verdict(),
            }
        }
    }
    let told = Told::default();
    let none = Budget::new(Allowance::percent(0).unwrap().reserve(0));
    let layer = told.by(RetryLayer::new().policy(GivenBack).budget(none));
    let server = Server::new([Try::Fail]);
    assert_eq!(layer.layer(server.clone()).oneshot(post("abc")).await.unwrap().status(), 200);
    assert_eq!((server.waits(), told.delays()), (vec![0], vec![ms(0)]));
    let server = Server::new([Try::Fail, Try::Fail]);
    assert_eq!(layer.layer(server.clone()).oneshot(post("abc")).await.unwrap_err(), Broken);
    assert_eq!((server.tries(), told.reasons()), (2, vec!["budget"]));
}
