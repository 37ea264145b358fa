//! The gateway's own problems, by the table of its contract; those of the provider come from `buttress-provider`.

use std::{borrow::Cow, time::Duration};

use buttress_core::{FieldProblem, Problem, ProblemCode};
use http::StatusCode;

const BAD_REQUEST: ProblemCode = ProblemCode::new("bad_request");
const VALIDATION_FAILED: ProblemCode = ProblemCode::new("validation_failed");
const UNAUTHORIZED: ProblemCode = ProblemCode::new("unauthorized");
const FORBIDDEN: ProblemCode = ProblemCode::new("forbidden");
const NOT_FOUND: ProblemCode = ProblemCode::new("not_found");
const METHOD_NOT_ALLOWED: ProblemCode = ProblemCode::new("method_not_allowed");
const NOT_ACCEPTABLE: ProblemCode = ProblemCode::new("not_acceptable");
const PAYLOAD_TOO_LARGE: ProblemCode = ProblemCode::new("payload_too_large");
const UNSUPPORTED_MEDIA_TYPE: ProblemCode = ProblemCode::new("unsupported_media_type");
const JOB_NOT_FINISHED: ProblemCode = ProblemCode::new("job_not_finished");
const JOB_FAILED: ProblemCode = ProblemCode::new("job_failed");
const JOB_CANCELLED: ProblemCode = ProblemCode::new("job_cancelled");
const STORE_UNAVAILABLE: ProblemCode = ProblemCode::new("store_unavailable");
const INTERNAL: ProblemCode = ProblemCode::new("internal");

/// 400: the request cannot be read.
pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, BAD_REQUEST, message)
}

/// 422: the request can be read, and these fields are wrong.
pub(crate) fn validation_failed(fields: &[FieldProblem]) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, VALIDATION_FAILED, "some fields are wrong").fields(fields)
}

/// 401: nobody is known by these credentials.
pub(crate) fn unauthorized(message: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED, message)
}

/// 404: there is nothing here, or nothing that the caller may know of.
pub fn not_found(what: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, NOT_FOUND, what)
}

/// 413: the body is longer than what is taken.
pub fn payload_too_large(limit: usize) -> Problem {
    let message = format!("the body is longer than {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, PAYLOAD_TOO_LARGE, message)
}

/// 415: the body is of a type that is not taken.
pub(crate) fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, UNSUPPORTED_MEDIA_TYPE, message)
}

/// 409: the job runs still.
pub(crate) fn job_not_finished() -> Problem {
    Problem::new(StatusCode::CONFLICT, JOB_NOT_FINISHED, "the job is not finished").retry_after(Duration::from_secs(2))
}

/// 422: the job ended without a result.
pub(crate) fn job_failed(message: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, JOB_FAILED, message)
}

/// 422: the job was stopped.
pub(crate) fn job_cancelled() -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, JOB_CANCELLED, "the job was cancelled")
}

/// 503: there is no room for another job now.
pub(crate) fn store_unavailable(message: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, STORE_UNAVAILABLE, message).retry_after(Duration::from_secs(5))
}

/// 500: a fault of the gateway. The cause goes to the log, not to the caller.
pub fn internal() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "something went wrong on our side")
}

/// The problem for an answer of which only the status is known: the router's own 404 and 405, for instance.
pub(crate) fn of_status(status: StatusCode) -> Problem {
    let (code, message) = match status {
        StatusCode::UNAUTHORIZED => (UNAUTHORIZED, "credentials are needed"),
        StatusCode::FORBIDDEN => (FORBIDDEN, "this is not allowed"),
        StatusCode::NOT_FOUND => (NOT_FOUND, "there is nothing at this address"),
        StatusCode::METHOD_NOT_ALLOWED => (METHOD_NOT_ALLOWED, "this address does not take that method"),
        StatusCode::NOT_ACCEPTABLE => (NOT_ACCEPTABLE, "none of the accepted types can be made"),
        StatusCode::PAYLOAD_TOO_LARGE => (PAYLOAD_TOO_LARGE, "the body is too long"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (UNSUPPORTED_MEDIA_TYPE, "the body is of a type that is not taken"),
        StatusCode::UNPROCESSABLE_ENTITY => (VALIDATION_FAILED, "some fields are wrong"),
        _ if status.is_server_error() => return internal(),
        _ => (BAD_REQUEST, "the request cannot be read"),
    };
    Problem::new(status, code, message)
}
