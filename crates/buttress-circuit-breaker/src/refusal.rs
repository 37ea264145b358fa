use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use buttress_core::{Body, CorrelationId, Problem, ProblemCode};
use http::{Response, StatusCode};

use crate::{State, shared::Shared, window::Nanos};

/// The code of the [`Problem`] that a refused call is answered with.
pub const CIRCUIT_OPEN: ProblemCode = ProblemCode::new("circuit_open");

/// Why a call was refused: an extension of the answer, beside its [`Problem`] (CBK-8).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The name that the layer was given.
    pub name: Arc<str>,
    /// The key of the circuit; `None` of one without.
    pub key: Option<Arc<str>>,
    /// How the circuit stood.
    pub state: State,
    /// How long it will still be open; `None` of another state, of which nobody knows.
    pub remaining: Option<Duration>,
}

/// The same for every call but for the wait.
static PROBLEM: LazyLock<Problem> = LazyLock::new(|| {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, CIRCUIT_OPEN, "the service behind is not available")
        .may_retry()
        .refused_by("circuit_breaker")
        .prepared()
});

/// What to wait for the trials of others, which may end at any moment.
const WHILE_TRIALS_RUN: Duration = Duration::from_secs(1);

/// What to wait when the circuit let calls in again just now, and this one was too early to have asked the inner service.
const AT_ONCE: Duration = Duration::from_millis(1);

/// A refused call, to be answered.
#[derive(Debug)]
pub(crate) struct Refused {
    refusal: Refusal,
    wait: Duration,
    correlation_id: Option<CorrelationId>,
}

impl Refused {
    pub(crate) fn new(shared: &Shared, state: State, wait: Option<Nanos>, id: Option<&CorrelationId>) -> Self {
        let remaining = wait.map(Duration::from_nanos);
        let telemetry = shared.telemetry();
        let wait = match state {
            State::Open => remaining.unwrap_or(AT_ONCE).max(AT_ONCE),
            State::ForcedOpen => shared.rules().open_for.first,
            State::HalfOpen => WHILE_TRIALS_RUN,
            State::Closed | State::Disabled | State::MetricsOnly => AT_ONCE,
        };
        let refusal = Refusal { name: telemetry.name.clone(), key: telemetry.key.clone(), state, remaining };
        Self { refusal, wait, correlation_id: id.cloned() }
    }

    pub(crate) fn into_response<B>(self) -> Response<Body<B>> {
        let Self { refusal, wait, correlation_id } = self;
        let mut response = PROBLEM.clone().retry_after(wait).into_response(correlation_id.as_ref());
        response.extensions_mut().insert(refusal);
        response
    }
}
