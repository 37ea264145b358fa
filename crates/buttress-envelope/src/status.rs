//! What is known about a failure of which there is only a status. Pure.

use std::time::Duration;

use buttress_core::Problem;
use http::StatusCode;

use crate::{Code, codes, foreign::Foreign};

/// The code for a status, and what to tell a person.
pub(crate) fn code_of(status: StatusCode) -> (Code, &'static str) {
    match status.as_u16() {
        401 => (codes::UNAUTHORIZED, "credentials are needed"),
        402 => (codes::PAYMENT_REQUIRED, "there is not enough credit for this"),
        403 | 451 => (codes::FORBIDDEN, "this is not allowed"),
        404 => (codes::NOT_FOUND, "there is nothing at this address"),
        405 => (codes::METHOD_NOT_ALLOWED, "this address does not take that method"),
        406 => (codes::NOT_ACCEPTABLE, "none of the accepted types can be made"),
        408 => (codes::REQUEST_TIMEOUT, "the request took too long to arrive"),
        409 | 423 => (codes::CONFLICT, "the request does not fit the present state"),
        410 => (codes::GONE, "what was here is gone"),
        412 | 428 => (codes::PRECONDITION_FAILED, "a condition of the request does not hold"),
        413 => (codes::PAYLOAD_TOO_LARGE, "the body is too long"),
        415 => (codes::UNSUPPORTED_MEDIA_TYPE, "the body is of a type that is not taken"),
        422 => (codes::VALIDATION_FAILED, "some fields are wrong"),
        425 => (codes::TOO_EARLY, "the request came too early"),
        429 => (codes::RATE_LIMITED, "too many requests"),
        501 => (codes::NOT_IMPLEMENTED, "this is not possible here"),
        502 | 503 => (codes::UNAVAILABLE, "this cannot be answered now"),
        504 => (codes::TIMEOUT, "the answer took too long"),
        500..=599 => (codes::INTERNAL, "something went wrong on our side"),
        _ => (codes::BAD_REQUEST, "the request cannot be read"),
    }
}

/// The problem for a failure that somebody else wrote: what it says counts below 500, the status alone above (ENV-4).
///
/// `wait` is what the answer's own `Retry-After` says; a wait makes the failure one that may be tried again (ENV-7).
pub(crate) fn problem_of(status: StatusCode, foreign: Option<Foreign>, wait: Option<Duration>) -> Problem {
    let (code, generic) = code_of(status);
    let foreign = foreign.unwrap_or_default();
    let wait = wait.or(foreign.wait);
    let shown = if status.is_client_error() { foreign } else { Foreign::default() };
    let name = shown.code.unwrap_or(code.code());
    let mut problem = match shown.message {
        Some(message) => Problem::new(status, name, message),
        None => Problem::new(status, name, generic),
    };
    if let Some(details) = shown.details {
        problem = problem.details(details);
    }
    if code.retryable() {
        problem = problem.may_retry();
    }
    match wait {
        Some(wait) => problem.retry_after(wait),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ENV-7, the mapping below table 6.1
    #[test]
    fn every_status_has_a_code_and_says_whether_to_try_again() {
        let table = [
            (400, "bad_request", false),
            (401, "unauthorized", false),
            (402, "payment_required", false),
            (403, "forbidden", false),
            (404, "not_found", false),
            (405, "method_not_allowed", false),
            (406, "not_acceptable", false),
            (408, "request_timeout", true),
            (409, "conflict", false),
            (410, "gone", false),
            (412, "precondition_failed", false),
            (413, "payload_too_large", false),
            (414, "bad_request", false),
            (415, "unsupported_media_type", false),
            (418, "bad_request", false),
            (422, "validation_failed", false),
            (425, "too_early", true),
            (428, "precondition_failed", false),
            (429, "rate_limited", true),
            (451, "forbidden", false),
            (499, "bad_request", false),
            (500, "internal", false),
            (501, "not_implemented", false),
            (502, "unavailable", true),
            (503, "unavailable", true),
            (504, "timeout", true),
            (505, "internal", false),
            (599, "internal", false),
        ];
        for (status, code, retryable) in table {
            let problem = problem_of(StatusCode::from_u16(status).unwrap(), None, None);
            assert_eq!((problem.code().as_str(), problem.retryable()), (code, retryable), "{status}");
            assert_eq!(problem.status(), status);
            assert!(!problem.message().is_empty());
        }
    }

    #[test]
    fn each_code_of_a_status_is_declared_with_that_status() {
        for number in 400..=599_u16 {
            let status = StatusCode::from_u16(number).unwrap();
            let (code, _) = code_of(status);
            assert_eq!(code.status().is_client_error(), status.is_client_error(), "{number} {}", code.code());
        }
    }

    // ENV-7
    #[test]
    fn a_wait_makes_any_failure_one_to_try_again() {
        let wait = Duration::from_secs(3);
        let problem = problem_of(StatusCode::CONFLICT, None, Some(wait));
        assert_eq!((problem.retryable(), problem.delay()), (true, Some(wait)));
    }

    // ENV-4
    #[test]
    fn what_a_server_error_says_is_not_shown() {
        let foreign = Foreign { message: Some("SELECT *".into()), details: Some(1.into()), ..Foreign::default() };
        let problem = problem_of(StatusCode::INTERNAL_SERVER_ERROR, Some(foreign), None);
        assert_eq!((problem.message(), problem.details_value()), ("something went wrong on our side", None));
    }
}
