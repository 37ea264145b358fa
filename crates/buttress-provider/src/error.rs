use std::{borrow::Cow, error::Error as StdError, fmt, time::Duration};

use buttress_core::{FieldProblem, Problem, ProblemCode};
use http::StatusCode;

use crate::JobError;

type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong between a caller and the provider.
///
/// | kind | retryable | as a [`Problem`] |
/// |---|---|---|
/// | `Invalid` | no | 422 `validation_failed`, with the fields |
/// | `Rejected` | no | 502 `provider_rejected`; 422 where it names fields |
/// | `Unauthorized` | no | 502 `provider_unauthorized` |
/// | `InsufficientCredit` | no | 502 `provider_insufficient_credit` |
/// | `NotFound` | no | 404 `not_found` |
/// | `NotFinished` | yes | 409 `job_not_finished` |
/// | `JobFailed` | no | 422 `job_failed` |
/// | `RateLimited` | yes | 429 `rate_limited` |
/// | `Unavailable` | yes | 503 `provider_unavailable` |
/// | `Timeout` | yes | 504 `provider_timeout` |
/// | `UnknownOutcome` | no | 409 `operation_uncertain` |
/// | `Decode` | no | 502 `provider_rejected` |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// The request cannot work; it was refused here, before a paid call.
    Invalid,
    /// The provider refused the request.
    Rejected,
    /// The provider does not accept our credentials.
    Unauthorized,
    /// Our account at the provider has too little credit.
    InsufficientCredit,
    /// The provider does not know what was asked for.
    NotFound,
    /// The job runs still: there is no result yet.
    NotFinished,
    /// The job ended without a result.
    JobFailed,
    /// The provider asks to slow down.
    RateLimited,
    /// The provider cannot be reached, or is broken; nothing was started.
    Unavailable,
    /// The provider did not answer in time; nothing was started.
    Timeout,
    /// A paid call was sent and nobody knows whether it took effect: a repetition could be paid twice.
    UnknownOutcome,
    /// The provider answered in a form that is not understood.
    Decode,
}

/// An error of a provider: a kind to act on, a message that is safe to show, and the cause.
///
/// The message names neither addresses nor credentials nor another user's data; the cause, for the log, may name
/// addresses.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_provider::{ProviderError, ProviderErrorKind};
///
/// let error = ProviderError::new(ProviderErrorKind::RateLimited, "too many requests").with_delay(Duration::from_secs(7));
/// assert!(error.retryable());
/// assert_eq!(error.to_problem().status(), 429);
/// assert_eq!(error.to_problem().delay(), Some(Duration::from_secs(7)));
/// ```
#[derive(Debug)]
pub struct ProviderError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ProviderErrorKind,
    message: Cow<'static, str>,
    fields: Vec<FieldProblem>,
    delay: Option<Duration>,
    source: Option<BoxError>,
}

impl ProviderError {
    /// An error of the given kind. The message is shown to callers.
    #[must_use]
    pub fn new(kind: ProviderErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), fields: Vec::new(), delay: None, source: None }))
    }

    /// The request's own fields are at fault, found before anything was sent.
    #[must_use]
    pub fn invalid(fields: Vec<FieldProblem>) -> Self {
        Self::new(ProviderErrorKind::Invalid, "the request does not fit the model").with_fields(fields)
    }

    /// Adds the fields at fault.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldProblem>) -> Self {
        self.0.fields = fields;
        self
    }

    /// Adds how long the provider asks to wait.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.0.delay = Some(delay);
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of error it is.
    #[must_use]
    pub fn kind(&self) -> ProviderErrorKind {
        self.0.kind
    }

    /// What to tell a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The request's fields at fault, as far as they are known.
    #[must_use]
    pub fn fields(&self) -> &[FieldProblem] {
        &self.0.fields
    }

    /// How long the provider asks to wait.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.0.delay
    }

    /// Whether the same request may succeed later without any risk of being paid twice.
    #[must_use]
    pub fn retryable(&self) -> bool {
        use ProviderErrorKind as Kind;
        matches!(self.kind(), Kind::RateLimited | Kind::Unavailable | Kind::Timeout | Kind::NotFinished)
    }

    /// The error as it goes to a caller: code, status, retry hint, fields.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let (status, code, usual_delay) = self.mapping();
        let mut problem = Problem::new(status, code, self.0.message.clone());
        if !self.fields().is_empty() {
            problem = problem.fields(self.fields());
        }
        match self.delay().or(usual_delay) {
            Some(delay) if self.retryable() => problem.retry_after(delay.min(LONGEST_WAIT)),
            _ if self.retryable() => problem.may_retry(),
            _ => problem,
        }
    }

    /// The error as the end of a job.
    #[must_use]
    pub fn to_job_error(&self) -> JobError {
        let (_, code, _) = self.mapping();
        JobError::new(code.as_str(), self.0.message.clone(), self.retryable())
    }

    /// Status, code, and the delay to tell when the provider named none.
    fn mapping(&self) -> (StatusCode, ProblemCode, Option<Duration>) {
        use ProviderErrorKind as Kind;
        let users_fault = !self.fields().is_empty();
        match self.kind() {
            Kind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, VALIDATION_FAILED, None),
            Kind::Rejected if users_fault => (StatusCode::UNPROCESSABLE_ENTITY, REJECTED, None),
            Kind::Rejected | Kind::Decode => (StatusCode::BAD_GATEWAY, REJECTED, None),
            Kind::Unauthorized => (StatusCode::BAD_GATEWAY, UNAUTHORIZED, None),
            Kind::InsufficientCredit => (StatusCode::BAD_GATEWAY, INSUFFICIENT_CREDIT, None),
            Kind::NotFound => (StatusCode::NOT_FOUND, NOT_FOUND, None),
            Kind::NotFinished => (StatusCode::CONFLICT, NOT_FINISHED, Some(Duration::from_secs(2))),
            Kind::JobFailed => (StatusCode::UNPROCESSABLE_ENTITY, JOB_FAILED, None),
            Kind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, Some(Duration::from_secs(1))),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE, Some(Duration::from_secs(5))),
            Kind::Timeout => (StatusCode::GATEWAY_TIMEOUT, TIMEOUT, None),
            Kind::UnknownOutcome => (StatusCode::CONFLICT, UNCERTAIN, None),
        }
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        for (i, field) in self.fields().iter().enumerate() {
            write!(f, "{} {field}", if i == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl StdError for ProviderError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// A caller is not told to wait longer than a day, whatever the provider says.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

const VALIDATION_FAILED: ProblemCode = ProblemCode::new("validation_failed");
const REJECTED: ProblemCode = ProblemCode::new("provider_rejected");
const UNAUTHORIZED: ProblemCode = ProblemCode::new("provider_unauthorized");
const INSUFFICIENT_CREDIT: ProblemCode = ProblemCode::new("provider_insufficient_credit");
const NOT_FOUND: ProblemCode = ProblemCode::new("not_found");
const NOT_FINISHED: ProblemCode = ProblemCode::new("job_not_finished");
const JOB_FAILED: ProblemCode = ProblemCode::new("job_failed");
const RATE_LIMITED: ProblemCode = ProblemCode::new("rate_limited");
const UNAVAILABLE: ProblemCode = ProblemCode::new("provider_unavailable");
const TIMEOUT: ProblemCode = ProblemCode::new("provider_timeout");
const UNCERTAIN: ProblemCode = ProblemCode::new("operation_uncertain");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_maps_as_its_table_says() {
        use ProviderErrorKind as Kind;
        let table = [
            (Kind::Invalid, 422, "validation_failed", false),
            (Kind::Rejected, 502, "provider_rejected", false),
            (Kind::Unauthorized, 502, "provider_unauthorized", false),
            (Kind::InsufficientCredit, 502, "provider_insufficient_credit", false),
            (Kind::NotFound, 404, "not_found", false),
            (Kind::NotFinished, 409, "job_not_finished", true),
            (Kind::JobFailed, 422, "job_failed", false),
            (Kind::RateLimited, 429, "rate_limited", true),
            (Kind::Unavailable, 503, "provider_unavailable", true),
            (Kind::Timeout, 504, "provider_timeout", true),
            (Kind::UnknownOutcome, 409, "operation_uncertain", false),
            (Kind::Decode, 502, "provider_rejected", false),
        ];
        for (kind, status, code, retryable) in table {
            let error = ProviderError::new(kind, "why");
            let problem = error.to_problem();
            assert_eq!((problem.status().as_u16(), problem.code().as_str()), (status, code), "{kind:?}");
            assert_eq!((problem.retryable(), error.retryable()), (retryable, retryable), "{kind:?}");
            assert_eq!(error.to_job_error().code, code);
        }
    }

    #[test]
    fn a_rejection_that_names_fields_is_the_users_own() {
        let error = ProviderError::new(ProviderErrorKind::Rejected, "refused")
            .with_fields(vec![FieldProblem::new("prompt", "is refused")]);
        assert_eq!(error.to_problem().status(), 422);
        assert_eq!(error.to_string(), "refused: prompt: is refused");
    }

    #[test]
    fn only_what_may_be_tried_again_tells_a_wait() {
        let wait = Duration::from_secs(9);
        let final_ = ProviderError::new(ProviderErrorKind::Unauthorized, "no").with_delay(wait);
        assert_eq!(final_.to_problem().delay(), None);
        let never = ProviderError::new(ProviderErrorKind::RateLimited, "slow").with_delay(Duration::MAX);
        assert_eq!(never.to_problem().delay(), Some(LONGEST_WAIT));
        let later = ProviderError::new(ProviderErrorKind::Unavailable, "later");
        assert!(later.to_problem().delay().is_some());
    }

    #[test]
    fn the_cause_is_reachable_and_not_repeated() {
        let error = ProviderError::new(ProviderErrorKind::Unavailable, "not reachable").with_source("dns");
        assert_eq!(error.source().unwrap().to_string(), "dns");
        assert_eq!(error.to_string(), "not reachable");
    }
}
