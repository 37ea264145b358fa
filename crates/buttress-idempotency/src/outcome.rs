//! What becomes of a run, by its answer. Pure.

use buttress_core::Problem;
use http::{StatusCode, header::RETRY_AFTER, response::Parts};

use crate::{Effect, codes};

/// What a run means for its key.
///
/// As an extension of an answer it is the handler's word and outweighs everything else. Without one, the layer goes by the
/// answer (IDM-15):
///
/// | answer | outcome |
/// |---|---|
/// | 2xx, 3xx, 4xx; 101 | [`Keep`](Self::Keep) |
/// | 401, 403, 408, 409, 425, 429 | [`Release`](Self::Release) |
/// | a [`Problem`] that was refused by a layer, or that is retryable | [`Release`](Self::Release) |
/// | a `Problem` with the code `operation_uncertain` | [`Doubt`](Self::Doubt) |
/// | 503 with `Retry-After` | [`Release`](Self::Release) |
/// | other 5xx, an error instead of an answer, a panic | [`Doubt`](Self::Doubt); without an [effect](Effect) [`Release`](Self::Release) |
///
/// # Examples
///
/// A handler that knows that nothing was paid for:
///
/// ```
/// use buttress_idempotency::Verdict;
/// use http::{Response, StatusCode};
///
/// let mut answer = Response::new("the provider has refused");
/// *answer.status_mut() = StatusCode::BAD_GATEWAY;
/// answer.extensions_mut().insert(Verdict::Release);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a further outcome is for every handler to know")]
pub enum Verdict {
    /// It is done: the answer is recorded.
    Keep,
    /// It took no effect: the key is free again.
    Release,
    /// It may have taken effect: the key is uncertain, and nothing runs again by itself.
    Doubt,
}

impl Verdict {
    pub(crate) fn of(head: &Parts, effect: Effect) -> Self {
        if let Some(said) = head.extensions.get() {
            return *said;
        }
        let status = head.status;
        if status.is_success() || status.is_redirection() || status.is_informational() {
            return Self::Keep;
        }
        if let Some(problem) = head.extensions.get::<Problem>() {
            if problem.code() == codes::OPERATION_UNCERTAIN {
                return Self::Doubt;
            }
            if problem.layer().is_some() || problem.retryable() {
                return Self::Release;
            }
        }
        match status {
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS => Self::Release,
            StatusCode::SERVICE_UNAVAILABLE if head.headers.contains_key(RETRY_AFTER) => Self::Release,
            status if status.is_client_error() => Self::Keep,
            _ => Self::unseen(effect),
        }
    }

    /// Of a run whose end nobody saw.
    pub(crate) fn unseen(effect: Effect) -> Self {
        match effect {
            Effect::Outside => Self::Doubt,
            Effect::None => Self::Release,
        }
    }
}
