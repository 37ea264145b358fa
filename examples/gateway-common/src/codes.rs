//! Every code that the gateway answers with, and the problems that it makes itself.

use std::{borrow::Cow, time::Duration};

use buttress_core::{FieldProblem, Problem};
use buttress_envelope::{
    BAD_REQUEST, Catalogue, HTTP_CODES, INTERNAL, NOT_FOUND, PAYLOAD_TOO_LARGE, UNAUTHORIZED, UNSUPPORTED_MEDIA_TYPE,
    VALIDATION_FAILED,
};

buttress_envelope::codes! {
    /// What a gateway says beside what every server says.
    pub const GATEWAY_CODES;
    /// The job runs still: there is no result yet.
    JOB_NOT_FINISHED = "job_not_finished", 409, retryable;
    /// The job ended without a result.
    JOB_FAILED = "job_failed", 422;
    /// The job was stopped.
    JOB_CANCELLED = "job_cancelled", 422;
    /// It is not known whether a paid call took effect: a repetition could be paid twice.
    OPERATION_UNCERTAIN = "operation_uncertain", 409;
    /// The idempotency key cannot be read, or there are two.
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid", 400;
    /// The idempotency key was used for another request.
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch", 422;
    /// The first request with this idempotency key runs still.
    IDEMPOTENCY_IN_PROGRESS = "idempotency_in_progress", 409, retryable;
    /// The request with this idempotency key has run, and its answer is kept no longer.
    RESULT_EXPIRED = "result_expired", 409;
    /// The request with this idempotency key has run, and its answer cannot be replayed.
    RESULT_UNAVAILABLE = "result_unavailable", 409;
    /// The provider refuses the request; 422 where the user's own input is at fault.
    PROVIDER_REJECTED = "provider_rejected", 502;
    /// The provider does not accept the gateway's credentials.
    PROVIDER_UNAUTHORIZED = "provider_unauthorized", 502;
    /// The gateway's account at the provider has too little credit.
    PROVIDER_INSUFFICIENT_CREDIT = "provider_insufficient_credit", 502;
    /// The provider cannot be reached, or is broken.
    PROVIDER_UNAVAILABLE = "provider_unavailable", 503, retryable;
    /// The provider fails so often that it is not asked for now.
    CIRCUIT_OPEN = "circuit_open", 503, retryable;
    /// The provider did not answer in time.
    PROVIDER_TIMEOUT = "provider_timeout", 504, retryable;
    /// There is no room for another job or key now.
    STORE_UNAVAILABLE = "store_unavailable", 503, retryable;
}

/// All codes of the gateway, each there once.
pub const CATALOGUE: Catalogue = Catalogue::new(&[HTTP_CODES, GATEWAY_CODES]);

/// The request cannot be read.
pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Problem {
    BAD_REQUEST.problem(message)
}

/// The request can be read, and these fields are wrong.
pub(crate) fn validation_failed(fields: &[FieldProblem]) -> Problem {
    VALIDATION_FAILED.problem("some fields are wrong").fields(fields)
}

/// Nobody is known by these credentials.
pub(crate) fn unauthorized(message: &'static str) -> Problem {
    UNAUTHORIZED.problem(message)
}

/// There is nothing here, or nothing that the caller may know of.
pub(crate) fn not_found(what: &'static str) -> Problem {
    NOT_FOUND.problem(what)
}

/// There is nothing at this address.
pub fn nothing_here() -> Problem {
    not_found("there is nothing at this address")
}

/// The body is longer than what is taken.
pub(crate) fn payload_too_large(limit: usize) -> Problem {
    PAYLOAD_TOO_LARGE.problem(format!("the body is longer than {limit} bytes"))
}

/// The body is of a type that is not taken.
pub(crate) fn unsupported_media_type(message: impl Into<Cow<'static, str>>) -> Problem {
    UNSUPPORTED_MEDIA_TYPE.problem(message)
}

/// The job runs still.
pub(crate) fn job_not_finished() -> Problem {
    JOB_NOT_FINISHED.problem("the job is not finished").retry_after(Duration::from_secs(2))
}

/// The job ended without a result.
pub(crate) fn job_failed(message: String) -> Problem {
    JOB_FAILED.problem(message)
}

/// The job was stopped.
pub(crate) fn job_cancelled() -> Problem {
    JOB_CANCELLED.problem("the job was cancelled")
}

/// The provider is left alone, for so long.
pub(crate) fn circuit_open(delay: Option<Duration>) -> Problem {
    let problem = CIRCUIT_OPEN.problem("the provider is not available, and is left alone for a while");
    problem.retry_after(delay.unwrap_or(Duration::from_secs(1)))
}

/// There is no room for another job now.
pub(crate) fn store_unavailable(message: &'static str) -> Problem {
    STORE_UNAVAILABLE.problem(message).retry_after(Duration::from_secs(5))
}

/// A fault of the gateway. The cause goes to the log, not to the caller.
pub(crate) fn internal() -> Problem {
    INTERNAL.problem("something went wrong on our side")
}

#[cfg(test)]
mod tests {
    use buttress_provider::{ProviderError, ProviderErrorKind as Kind};

    use super::*;

    /// The contract of the gateway.
    const PROMISED: [(&str, u16, bool); 30] = [
        ("bad_request", 400, false),
        ("validation_failed", 422, false),
        ("unauthorized", 401, false),
        ("forbidden", 403, false),
        ("not_found", 404, false),
        ("method_not_allowed", 405, false),
        ("not_acceptable", 406, false),
        ("payload_too_large", 413, false),
        ("unsupported_media_type", 415, false),
        ("idempotency_key_invalid", 400, false),
        ("idempotency_mismatch", 422, false),
        ("idempotency_in_progress", 409, true),
        ("operation_uncertain", 409, false),
        ("result_expired", 409, false),
        ("job_not_finished", 409, true),
        ("job_failed", 422, false),
        ("job_cancelled", 422, false),
        ("rate_limited", 429, true),
        ("provider_rejected", 502, false),
        ("provider_unauthorized", 502, false),
        ("provider_insufficient_credit", 502, false),
        ("provider_unavailable", 503, true),
        ("circuit_open", 503, true),
        ("store_unavailable", 503, true),
        ("provider_timeout", 504, true),
        ("internal", 500, false),
        // Beside them, what a server says by itself.
        ("request_timeout", 408, true),
        ("gone", 410, false),
        ("unavailable", 503, true),
        ("timeout", 504, true),
    ];

    // ENV-2
    #[test]
    fn every_code_of_the_contract_is_in_the_catalogue_as_json() {
        let catalogue = CATALOGUE.to_json();
        let entries = catalogue.as_array().expect("a list");
        for (code, status, retryable) in PROMISED {
            let entry = entries.iter().find(|entry| entry["code"] == code).unwrap_or_else(|| panic!("{code}"));
            assert_eq!(
                (entry["status"].as_u64(), entry["retryable"].as_bool()),
                (Some(status.into()), Some(retryable))
            );
            assert!(entry["meaning"].as_str().is_some_and(|meaning| !meaning.is_empty()), "{code}");
        }
    }

    #[test]
    fn what_the_provider_fails_with_is_in_the_catalogue() {
        let kinds = [
            Kind::Invalid,
            Kind::Rejected,
            Kind::Unauthorized,
            Kind::InsufficientCredit,
            Kind::NotFound,
            Kind::NotFinished,
            Kind::JobFailed,
            Kind::RateLimited,
            Kind::Unavailable,
            Kind::Timeout,
            Kind::UnknownOutcome,
            Kind::Decode,
        ];
        for kind in kinds {
            let problem = ProviderError::new(kind, "why").to_problem();
            let code = CATALOGUE.find(problem.code().as_str()).unwrap_or_else(|| panic!("{kind:?}"));
            assert_eq!((code.status(), code.retryable()), (problem.status(), problem.retryable()), "{kind:?}");
        }
    }
}
