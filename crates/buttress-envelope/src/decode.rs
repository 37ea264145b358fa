//! The other end: what a client makes of an answer.

use std::{borrow::Cow, time::SystemTime};

use buttress_core::{CorrelationId, Problem, RetryAfter};
use http::{StatusCode, response::Parts};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;

use crate::{ApiError, codes, foreign, status};

/// Reads an answer: the data of a success, or the failure.
///
/// Understood are both forms that the layer writes, answers without an envelope, and the failures of others as the
/// layer itself understands them. Data that does not fit `T` is a failure with the code `internal` and the fault as its
/// source. `Retry-After` is in the header fields: [`decode_answer`] reads them too.
///
/// # Errors
///
/// The failure that the answer tells, or the fault in it.
///
/// # Examples
///
/// ```
/// use buttress_envelope::decode;
/// use http::StatusCode;
///
/// let data: Vec<u8> = decode(StatusCode::OK, br#"{"ok":true,"data":[1,2]}"#)?;
/// assert_eq!(data, [1, 2]);
///
/// let failure = br#"{"ok":false,"error":{"code":"rate_limited","message":"slow down","retryable":true}}"#;
/// let error = decode::<Vec<u8>>(StatusCode::TOO_MANY_REQUESTS, failure).unwrap_err();
/// assert_eq!((error.code(), error.retryable()), ("rate_limited", true));
/// # Ok::<(), buttress_envelope::ApiError>(())
/// ```
pub fn decode<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, ApiError> {
    if let Ok(Failure { ok: false, error }) = serde_json::from_slice(body) {
        return Err(error.into_error(status));
    }
    if !status.is_success() {
        return Err(failure(status, body));
    }
    success(body).map_err(|fault| {
        ApiError::new(codes::INTERNAL, "the answer has data of another form than expected").because(fault)
    })
}

/// [`decode`], with the wait and the correlation id that the header fields of the answer say.
///
/// # Errors
///
/// As for [`decode`].
pub fn decode_answer<T: DeserializeOwned>(parts: &Parts, body: &[u8]) -> Result<T, ApiError> {
    decode(parts.status, body).map_err(|error| {
        let wait = RetryAfter::from_headers(&parts.headers).map(|after| after.delay(SystemTime::now()));
        let id = parts.headers.get(CorrelationId::HEADER).and_then(|id| CorrelationId::try_from(id).ok());
        error.seen_with(wait, id)
    })
}

fn success<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let nothing = body.trim_ascii().is_empty();
    let body = if nothing { b"null" } else { body };
    match serde_json::from_slice(body) {
        Ok(Marked { ok: true, .. }) => serde_json::from_slice::<Success<T>>(body).map(|success| success.data),
        _ => serde_json::from_slice(body),
    }
}

/// A failure that is no envelope.
fn failure(status: StatusCode, body: &[u8]) -> ApiError {
    // A status that is neither success nor failure tells nothing that data could be made of.
    let status = if is_failure(status) { status } else { StatusCode::BAD_GATEWAY };
    if let Ok(details) = serde_json::from_slice::<Told>(body) {
        return details.into_error(status);
    }
    let json = foreign::of_json(status, body);
    let understood = if json == foreign::Foreign::default() && serde_json::from_slice::<IgnoredAny>(body).is_err() {
        foreign::of_text(body)
    } else {
        json
    };
    let generic = status::problem_of(status, None, understood.wait);
    let problem = match understood.message {
        Some(message) => again(&generic, message, understood.details),
        None => again(&generic, generic.message().to_owned(), understood.details),
    };
    ApiError::foreign(problem, None, None)
}

fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// A problem like this one, with what was said. A client may see what the server of a 5xx chose to show.
fn again(like: &Problem, message: String, details: Option<Value>) -> Problem {
    let mut problem = Problem::new(like.status(), like.code(), message);
    if let Some(details) = details {
        problem = problem.details(details);
    }
    match like.delay() {
        Some(delay) => problem.retry_after(delay),
        None if like.retryable() => problem.may_retry(),
        None => problem,
    }
}

/// An envelope with data; exactly that, as data may have members of these names too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Marked {
    ok: bool,
    #[serde(rename = "data")]
    _data: IgnoredAny,
}

#[derive(Deserialize)]
struct Success<T> {
    data: T,
}

#[derive(Deserialize)]
struct Failure {
    ok: bool,
    error: Told,
}

/// The members that both forms have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    code: String,
    message: String,
    // `null` is a value here, and its absence is not.
    #[serde(default, deserialize_with = "some")]
    details: Option<Value>,
    #[serde(default)]
    retryable: Option<bool>,
    correlation_id: Option<Cow<'static, str>>,
}

fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Told {
    fn into_error(self, status: StatusCode) -> ApiError {
        // Where the status is not that of a failure, it is for the code to tell what would have been.
        let named = || codes::HTTP_CODES.iter().find(|known| known.code().as_str() == self.code);
        let (code, status) = if is_failure(status) {
            (status::code_of(status).0, status)
        } else {
            let code = *named().unwrap_or(&codes::REQUEST_FAILED);
            (code, code.status())
        };
        let mut problem = Problem::new(status, code.code(), self.message);
        if let Some(details) = self.details {
            problem = problem.details(details);
        }
        if self.retryable.unwrap_or(code.retryable()) {
            problem = problem.may_retry();
        }
        let id = self.correlation_id.and_then(|id| id.parse().ok());
        ApiError::foreign(problem, Some(self.code), id)
    }
}
