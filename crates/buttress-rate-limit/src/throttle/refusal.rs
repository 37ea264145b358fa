use std::time::Duration;

use buttress_core::{Body, CorrelationId, Problem, ProblemCode};
use http::{Response, StatusCode};

/// The name of this layer in problems and log lines.
const LAYER: &str = "throttle";

const RATE_LIMITED: ProblemCode = ProblemCode::new("rate_limited");
const TOO_LARGE: ProblemCode = ProblemCode::new("payload_too_large");

/// A call that is not made: it would have had to wait for this long, or for ever.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) wait: Option<Duration>,
    pub(crate) correlation_id: Option<CorrelationId>,
}

impl Refusal {
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
