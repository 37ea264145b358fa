use std::{borrow::Cow, fmt, time::Duration};

use buttress_core::{CorrelationId, ProblemCode};
use http::{Method, StatusCode};
use tracing::Level;

/// What became of one request: the line, typed.
///
/// Nothing in it comes from headers, from the query or from the path. Texts are at most 256 bytes long, with control
/// characters spelt out (`\u{a}`), so that they cannot forge a line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// The pattern of the route, else `unmatched`.
    pub route: Cow<'static, str>,
    /// The method, a token of any length.
    pub method: Method,
    /// The status of the answer, if there was one.
    pub status: Option<StatusCode>,
    /// How it ended.
    pub outcome: Outcome,
    /// The layer that refused, by the [`Problem`](buttress_core::Problem) of the answer.
    pub refused_by: Option<&'static str>,
    /// The code of the problem, by the same.
    pub error_code: Option<ProblemCode>,
    /// Whose request it is.
    pub user_id: Option<Cow<'static, str>>,
    /// Who did the work behind this server.
    pub provider: Option<Cow<'static, str>>,
    /// What the work cost: an amount, and an ISO 4217 code or `credits`.
    pub cost: Option<(f64, Cow<'static, str>)>,
    /// How often calls that leave were tried again.
    pub retry_count: u32,
    /// How the circuit breaker stood for the last call that leaves.
    pub breaker: Option<Cow<'static, str>>,
    /// What became of the idempotency key.
    pub idempotency: Option<Cow<'static, str>>,
    /// The id of the request, if a layer further out gave it one.
    pub correlation_id: Option<CorrelationId>,
    /// From the call until the end of the body.
    pub duration: Duration,
    /// From the call until the first data of the body, or its end if it had none; `None` if neither came.
    pub time_to_first_byte: Option<Duration>,
    /// The length of the request's body, as its `Content-Length` said.
    pub request_bytes: Option<u64>,
    /// How many bytes of the body went out.
    pub response_bytes: u64,
}

impl Record {
    /// How grave it is: `ERROR` for a panic, an error in place of an answer, and a status of 500 and above that no
    /// layer chose; `WARN` for a body that broke and for a refusal; else `INFO`.
    ///
    /// For [`RequestLogLayer::level_by`](crate::RequestLogLayer::level_by).
    #[must_use]
    pub fn severity(&self) -> Level {
        match self.outcome {
            Outcome::Panicked | Outcome::Failed => Level::ERROR,
            Outcome::Answered if self.status.is_some_and(|status| status.is_server_error()) => Level::ERROR,
            Outcome::BodyFailed | Outcome::Refused => Level::WARN,
            Outcome::Answered | Outcome::ClientLeft | Outcome::Streaming => Level::INFO,
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The answer went out whole, whatever its status.
    Answered,
    /// The answer of a layer that refused went out whole.
    Refused,
    /// The inner service gave an error in place of an answer.
    Failed,
    /// The body broke, or ended before the length that the answer had promised.
    BodyFailed,
    /// The future or the body was dropped before its end: the client left, or a layer further out gave up.
    ClientLeft,
    /// The inner service or its body panicked.
    Panicked,
    /// It has not ended: an event stream has begun. Only in lines, see
    /// [`announce_streams`](crate::RequestLogLayer::announce_streams).
    Streaming,
}

impl Outcome {
    /// The name as it stands in the line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::BodyFailed => "body_failed",
            Self::ClientLeft => "client_left",
            Self::Panicked => "panicked",
            Self::Streaming => "streaming",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
