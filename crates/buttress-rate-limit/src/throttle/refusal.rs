use std::time::Duration;

use buttress_core::{Body, CorrelationId, Problem, ProblemCode};
use http::{Request, Response, StatusCode};
use tracing::info;

use crate::meter;

/// The name of this layer in problems and log lines.
const LAYER: &str = "throttle";

const RATE_LIMITED: ProblemCode = ProblemCode::new("rate_limited");
const TOO_LARGE: ProblemCode = ProblemCode::new("payload_too_large");

/// A call that is not made: it would have had to wait for this long, or for ever.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    wait: Option<Duration>,
    correlation_id: Option<CorrelationId>,
}

impl Refusal {
    /// Tells of it, too.
    pub(crate) fn of<B>(request: &Request<B>, wait: Option<Duration>) -> Self {
        meter::throttled();
        info!(wait_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)), "throttled");
        Self { wait, correlation_id: request.extensions().get().cloned() }
    }

    pub(crate) fn into_response<B>(self) -> Response<Body<B>> {
        let problem = match self.wait {
            Some(wait) => {
                let message = "the call would have to wait too long for its turn";
                Problem::new(StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED, message).retry_after(wait)
            }
            None => {
                let message = "the call can never be made: it costs more than its limit";
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE, message)
            }
        };
        problem.refused_by(LAYER).into_response(self.correlation_id.as_ref())
    }
}
