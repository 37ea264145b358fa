use std::{convert::Infallible, time::Duration};

use buttress_core::{Body, Problem, ProblemCode};
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};

use crate::{
    Head, NoKey, RateStore,
    core::Core,
    fields::Written,
    judge::Judge,
    problems::named,
    which::{Names, Which},
};

const TOO_LARGE: ProblemCode = ProblemCode::new("payload_too_large");
const STORE_UNAVAILABLE: ProblemCode = ProblemCode::new("store_unavailable");
const INTERNAL: ProblemCode = ProblemCode::new("internal");
const BAD_REQUEST: ProblemCode = ProblemCode::new("bad_request");

/// The name of this layer in problems and log lines.
pub(crate) const LAYER: &str = "rate_limit";

/// Asks proxies to pass on each event as it comes.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Where the time is unknown: soon, but not at once. Nanoseconds.
pub(crate) const SOON: u64 = 1_000_000_000;

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

/// A request that is refused: why, and the fields of its answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) why: Why,
    pub(crate) written: Written,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Why {
    /// Limits are violated; the longest wait, with jitter.
    Limits(Which, Duration),
    /// It costs more than a full bucket of one of these limits holds.
    Never(Which),
    /// The store failed.
    Store,
    /// There is no key.
    NoKey(NoKey),
}

impl<St: RateStore> Judge<'_, St> {
    /// What a request is answered with that is refused, but for the fields.
    pub(crate) fn refuse<B>(&self, why: &Why, request: &mut Request<B>) -> Response<Body<Infallible>> {
        match why.wait() {
            Some(wait) if self.settings.is_stream(&Head::of(request)) => come_back(wait),
            _ => why.problem(self.core).answer(request),
        }
    }
}

impl Why {
    /// How long to wait, if that helps.
    fn wait(&self) -> Option<Duration> {
        match self {
            Self::Limits(_, wait) => Some(*wait),
            Self::Store => Some(Duration::from_nanos(SOON)),
            Self::Never(_) | Self::NoKey(_) => None,
        }
    }

    fn problem<St: RateStore>(&self, core: &Core<St>) -> Problem {
        match self {
            Self::Limits(which, wait) => core.problems.of(*which, &core.limits).retry_after(*wait),
            Self::Never(which) => {
                let message = "the request can never pass: it costs more than its limit";
                named(plain(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, message), *which, &core.limits)
            }
            Self::Store => {
                let message = "limits cannot be checked at the moment";
                plain(StatusCode::SERVICE_UNAVAILABLE, STORE_UNAVAILABLE, message)
                    .retry_after(Duration::from_nanos(SOON))
            }
            Self::NoKey(NoKey::NoPeer) => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "something went wrong on our side")
            }
            Self::NoKey(NoKey::TooFewHops) => {
                plain(StatusCode::BAD_REQUEST, BAD_REQUEST, "the address of the client is not known")
            }
        }
    }
}

fn plain(status: StatusCode, code: ProblemCode, message: &'static str) -> Problem {
    Problem::new(status, code, message).refused_by(LAYER)
}

/// An event stream that only says when to come back: after any other answer a browser would never (SSE-57).
fn come_back(wait: Duration) -> Response<Body<Infallible>> {
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1);
    let mut response = Response::new(Body::full(format!("retry: {millis}\n\n")));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}
