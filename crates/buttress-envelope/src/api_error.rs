use std::{borrow::Cow, error::Error, fmt, time::Duration};

use buttress_core::{Body, CorrelationId, FieldProblem, Problem, ProblemCode};
use http::{Response, StatusCode};
use serde_json::Value;

use crate::{BoxError, Code, status, telemetry};

/// A failure of an API: what a handler returns, and what a client finds in an answer.
///
/// Code, message, details and the hints to retry are for the caller; the source is for the log alone.
///
/// # Examples
///
/// ```
/// use buttress_core::{Body, Problem};
/// use buttress_envelope::{ApiError, NOT_FOUND, UNAVAILABLE};
/// use http::Response;
///
/// fn job(id: &str) -> Result<String, ApiError> {
///     match id {
///         "1" => Ok("done".to_owned()),
///         "2" => Err(ApiError::new(UNAVAILABLE, "come back later").because("connection refused")),
///         _ => Err(ApiError::new(NOT_FOUND, "no such job")),
///     }
/// }
///
/// // What a framework's own trait for answers calls:
/// let answer: Response<Body<String>> = job("3").unwrap_err().into_response(None);
/// assert_eq!(answer.status(), 404);
/// assert!(answer.extensions().get::<Problem>().is_some());
/// ```
pub struct ApiError(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: Name,
    message: Cow<'static, str>,
    details: Option<Value>,
    retryable: bool,
    retry_after: Option<Duration>,
    correlation_id: Option<CorrelationId>,
    source: Option<BoxError>,
}

/// Codes of this server are known when it is compiled, those of others are not.
#[derive(Clone, Debug)]
enum Name {
    Own(ProblemCode),
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    Foreign(String),
}

impl ApiError {
    /// A failure of this kind. The message is shown to the caller.
    #[must_use]
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        code.problem(message).into()
    }

    /// Adds what programs may want to know beside the code.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// Adds the fields at fault as details: a list of `{field, problem}` (ENV-8).
    #[must_use]
    pub fn fields(self, fields: &[FieldProblem]) -> Self {
        let list = fields.iter().map(|at| serde_json::json!({ "field": at.field, "problem": at.problem })).collect();
        self.details(Value::Array(list))
    }

    /// Says that the same request may succeed after a wait.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retryable = true;
        self.0.retry_after = Some(delay);
        self
    }

    /// Adds the cause, which is logged and not shown (ENV-4).
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code that programs go by.
    #[must_use]
    pub fn code(&self) -> &str {
        match &self.0.code {
            Name::Own(code) => code.as_str(),
            Name::Foreign(code) => code,
        }
    }

    /// What to tell a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What programs may want to know beside the code.
    #[must_use]
    pub fn details_value(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }

    /// How long to wait before that, if known.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The correlation id that the answer carried.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.0.correlation_id.as_ref()
    }

    /// The answer of a handler: the problem as an extension, and as `application/problem+json` for a server without an
    /// envelope. The source is logged under the correlation id.
    #[must_use]
    pub fn into_response<B>(self, correlation_id: Option<&CorrelationId>) -> Response<Body<B>> {
        if let Some(source) = &self.0.source {
            telemetry::cause("request_failed", source, correlation_id);
        }
        Problem::from(self).into_response(correlation_id)
    }
}

#[cfg(feature = "client")]
impl ApiError {
    pub(crate) fn foreign(problem: Problem, code: Option<String>, correlation_id: Option<CorrelationId>) -> Self {
        let mut error = Self::from(problem);
        if let Some(code) = code {
            error.0.code = Name::Foreign(code);
        }
        error.0.correlation_id = correlation_id;
        error
    }

    /// Adds what the header fields of the answer say. A wait is told also where trying again may not help.
    pub(crate) fn seen_with(mut self, wait: Option<Duration>, correlation_id: Option<CorrelationId>) -> Self {
        self.0.retry_after = wait.or(self.0.retry_after);
        self.0.correlation_id = self.0.correlation_id.or(correlation_id);
        self
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(Parts {
            status: problem.status(),
            code: Name::Own(problem.code()),
            message: problem.message().to_owned().into(),
            details: problem.details_value().cloned(),
            retryable: problem.retryable(),
            retry_after: problem.delay(),
            correlation_id: None,
            source: None,
        }))
    }
}

/// A failure of another server that is handed on keeps its code where it is one of
/// [`HTTP_CODES`](crate::HTTP_CODES), and gets the one of its status otherwise. The source is left behind, and so is the
/// wait of what is not to be tried again.
impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        let Parts { status, code, message, details, retryable, retry_after, correlation_id: _, source: _ } = *error.0;
        let code = match code {
            Name::Own(code) => code,
            Name::Foreign(name) => {
                let known = crate::HTTP_CODES.iter().map(|known| known.code()).find(|known| known.as_str() == name);
                known.unwrap_or_else(|| status::code_of(status).0.code())
            }
        };
        let mut problem = Problem::new(status, code, message);
        if let Some(details) = details {
            problem = problem.details(details);
        }
        match retry_after {
            _ if !retryable => problem,
            Some(delay) => problem.retry_after(delay),
            None => problem.may_retry(),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiError").field(&self.0).finish()
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
