use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use buttress_core::CorrelationId;

/// A request that ended without an answer that could carry its id.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unanswered<'a> {
    /// The request's id.
    pub id: &'a CorrelationId,
    /// What became of the request.
    pub cause: Cause,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The service below ended in an error, which went on outwards.
    Failed,
    /// The service below panicked. The panic goes on.
    Panicked,
    /// Whoever waited gave up: the client left, or an outer time-out passed.
    Cancelled,
}

impl Cause {
    /// The name in events: `failed`, `panicked` or `cancelled`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Who wants to know of requests without an answer.
#[derive(Clone)]
pub(crate) struct Hook(Arc<dyn Fn(&Unanswered<'_>) + Send + Sync>);

impl Hook {
    pub(crate) fn new(hook: impl Fn(&Unanswered<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// It may be told while its thread unwinds: a panic of its own would end the process.
    pub(crate) fn tell(&self, unanswered: &Unanswered<'_>) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(unanswered))).is_err() {
            tracing::error!(correlation_id = unanswered.id.as_str(), "correlation_hook_panicked");
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}
