use std::time::Duration;

use buttress_core::{Body, CorrelationId, Problem, ProblemCode};
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use crate::{Head, NoKey, Reason, fields::Written, settings::Settings, which::Names};

const RATE_LIMITED: ProblemCode = ProblemCode::new("rate_limited");
const OVERLOADED: ProblemCode = ProblemCode::new("overloaded");
const TOO_LARGE: ProblemCode = ProblemCode::new("payload_too_large");
const STORE_UNAVAILABLE: ProblemCode = ProblemCode::new("store_unavailable");
const INTERNAL: ProblemCode = ProblemCode::new("internal");
const BAD_REQUEST: ProblemCode = ProblemCode::new("bad_request");

/// The name of this layer in problems and log lines.
const LAYER: &str = "rate_limit";

/// Where the time is unknown: soon, but not at once.
const SOON: Duration = Duration::from_secs(1);

/// A request that limits refused, or would have refused: what [`on_refused`](crate::RateLimitLayer::on_refused) is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Refused {
    names: Names,
    /// Whether the request passed nevertheless, since these limits are not enforced for it.
    pub shadow: bool,
    /// How long the caller was told to wait; `None` if no wait helps.
    pub wait: Option<Duration>,
}

impl Refused {
    pub(crate) fn new(names: Names, shadow: bool, wait: Option<Duration>) -> Self {
        Self { names, shadow, wait }
    }

    /// The limits that were violated.
    #[must_use]
    pub fn limits(&self) -> &[&'static str] {
        self.names.list()
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// Limits are violated; the longest wait, with jitter.
    Limits { reason: Reason, wait: Duration },
    /// It costs more than a full bucket holds.
    Never,
    /// The store failed.
    Store,
    /// There is no key.
    NoKey(NoKey),
}

/// The answer to a request that is refused, before it has a body of any type.
#[derive(Debug)]
pub(crate) struct Refusal {
    said: Said,
    written: Written,
    correlation_id: Option<CorrelationId>,
}

#[derive(Debug)]
enum Said {
    /// To an event stream: after this time.
    ComeBack(Duration),
    Problem(Problem),
}

impl Refusal {
    /// With the names of the limits that are violated, if any are.
    pub(crate) fn new(
        why: Why,
        names: &[&'static str],
        written: Written,
        head: &Head<'_>,
        settings: &Settings,
    ) -> Self {
        let said = match why.wait() {
            Some(wait) if settings.is_stream(head) => Said::ComeBack(wait),
            _ => Said::Problem(why.problem(names).refused_by(LAYER)),
        };
        Self { said, written, correlation_id: head.extensions().get().cloned() }
    }

    pub(crate) fn into_response<B>(self) -> Response<Body<B>> {
        let mut response = match self.said {
            Said::ComeBack(wait) => come_back(wait),
            Said::Problem(problem) => problem.into_response(self.correlation_id.as_ref()),
        };
        self.written.write(response.headers_mut());
        response
    }
}

impl Why {
    /// How long to wait, if that helps.
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Limits { wait, .. } => Some(*wait),
            Self::Store => Some(SOON),
            Self::Never | Self::NoKey(_) => None,
        }
    }

    fn problem(&self, names: &[&'static str]) -> Problem {
        match self {
            Self::Limits { reason, wait } => violated(limits(*reason), names).retry_after(*wait),
            Self::Never => {
                let problem = Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    TOO_LARGE,
                    "the request can never pass: it costs more than its limit",
                );
                violated(problem, names)
            }
            Self::Store => {
                let message = "limits cannot be checked at the moment";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, STORE_UNAVAILABLE, message).retry_after(SOON)
            }
            Self::NoKey(NoKey::NoPeer) => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "something went wrong on our side")
            }
            Self::NoKey(NoKey::TooFewHops) => {
                Problem::new(StatusCode::BAD_REQUEST, BAD_REQUEST, "the address of the client is not known")
            }
        }
    }
}

/// The problem types of draft-ietf-httpapi-ratelimit-headers-10, section 5 (RLM-8).
fn limits(reason: Reason) -> Problem {
    let (status, code, kind, message) = match reason {
        Reason::Quota => (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, QUOTA_EXCEEDED, "too many requests"),
        Reason::Abuse => {
            (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, ABNORMAL_USAGE, "too many requests of an unusual kind")
        }
        Reason::Capacity => (StatusCode::SERVICE_UNAVAILABLE, OVERLOADED, REDUCED_CAPACITY, "the server is busy"),
    };
    Problem::new(status, code, message).kind(kind)
}

fn violated(problem: Problem, names: &[&'static str]) -> Problem {
    problem.detail("violated-policies", names)
}

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const ABNORMAL_USAGE: &str = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected";
const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";

/// An event stream that only says when to come back: after any other answer a browser would never (SSE-57).
fn come_back<B>(wait: Duration) -> Response<Body<B>> {
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
    let mut response = Response::new(Body::full(format!("retry: {millis}\n\n")));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
