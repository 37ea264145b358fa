use std::{
    borrow::Cow,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use buttress_core::{CorrelationId, Noted, Notes, Problem, ProblemCode};
use http::{
    HeaderMap, Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use tokio::time::Instant;
use tracing::Span;

use crate::{
    Outcome, Record,
    clean::clean,
    counted::Counted,
    settings::{Settings, anybody_listens},
};

/// What is known of a request so far.
pub(crate) struct Draft {
    settings: Arc<Settings>,
    notes: Notes,
    // `None` where nobody listens.
    pub(crate) span: Option<Span>,
    started: Instant,
    method: Method,
    pub(crate) route: Option<Cow<'static, str>>,
    correlation_id: Option<CorrelationId>,
    request_bytes: Option<u64>,
    answer: Option<Answer>,
    first_byte: Option<Duration>,
    sent: u64,
}

/// What the head of an answer told.
#[derive(Clone, Copy, Default)]
struct Answer {
    status: StatusCode,
    refused_by: Option<&'static str>,
    error_code: Option<ProblemCode>,
    // The length of the body, by the head or else by its hint.
    promised: Option<u64>,
}

impl Draft {
    // Where it is boxed, so that it is written there at once.
    #[inline(always)]
    pub(crate) fn new(
        settings: Arc<Settings>,
        notes: Notes,
        correlation_id: Option<CorrelationId>,
        method: &Method,
        headers: &HeaderMap,
    ) -> Self {
        Self {
            settings,
            notes,
            span: anybody_listens().then(Span::current),
            started: Instant::now(),
            method: method.clone(),
            route: None,
            correlation_id,
            request_bytes: content_length(headers),
            answer: None,
            first_byte: None,
            sent: 0,
        }
    }

    pub(crate) fn answer<B>(&mut self, response: &Response<B>, exact: Option<u64>) {
        let problem = response.extensions().get::<Problem>();
        self.answer = Some(Answer {
            status: response.status(),
            refused_by: problem.and_then(Problem::layer),
            error_code: problem.map(Problem::code),
            promised: content_length(response.headers()).or(exact),
        });
    }

    /// Whether the answer has no body, whatever its body says: nobody will read it.
    pub(crate) fn ends_with_head(&self) -> bool {
        let Some(Answer { status, .. }) = self.answer else { return false };
        self.method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || (self.method == Method::CONNECT && status.is_success())
    }

    pub(crate) fn announce(&self, headers: &HeaderMap) {
        let is_stream =
            || headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if self.settings.announce_streams && is_stream() {
            contain(|| {
                let record = self.record(self.route(), Outcome::Streaming, self.elapsed());
                self.settings.write("request_streaming", &record, self.span.as_ref());
            });
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Counts bytes of the body. The clock is read only if a moment is to be kept: the first byte, or the end.
    pub(crate) fn send(&mut self, bytes: u64, last: bool) -> Option<Duration> {
        self.sent = self.sent.saturating_add(bytes);
        let first = bytes > 0 && self.first_byte.is_none();
        let now = (first || last).then(|| self.elapsed());
        if first {
            self.first_byte = now;
        }
        now
    }

    /// How it ends with the head: of a `HEAD` for instance, which promises a length and sends nothing.
    pub(crate) fn outcome_of_head(&self) -> Outcome {
        let refused = self.answer.is_some_and(|answer| answer.refused_by.is_some());
        if refused { Outcome::Refused } else { Outcome::Answered }
    }

    /// How it ends with the body, which may have promised more than came.
    pub(crate) fn outcome_of_body(&self) -> Outcome {
        let promised = self.promised().unwrap_or(0);
        if self.sent < promised { Outcome::BodyFailed } else { self.outcome_of_head() }
    }

    fn promised(&self) -> Option<u64> {
        self.answer.and_then(|answer| answer.promised)
    }

    /// How it ends if nobody goes on with it.
    pub(crate) fn outcome_if_left(&self) -> Outcome {
        // All that was promised is out: who stops reading here has the whole answer.
        let whole = self.promised().is_some_and(|promised| self.sent >= promised);
        if whole { self.outcome_of_head() } else { Outcome::ClientLeft }
    }

    /// Counts the request and writes its line, now or as of a moment that has just been read.
    pub(crate) fn finish(&self, outcome: Outcome, now: Option<Duration>) {
        let duration = now.unwrap_or_else(|| self.elapsed());
        let route = self.route();
        let counted = Counted {
            route: &route,
            method: &self.method,
            status: self.answer.map(|answer| answer.status),
            outcome,
            duration,
            time_to_first_byte: self.time_to_first_byte(outcome, duration),
            request_bytes: self.request_bytes,
            response_bytes: self.sent,
        };
        self.settings.meter.count(&counted, self.started + duration);
        // Nobody may want more than that.
        if self.settings.wants_records() {
            self.settings.tell(&self.record(route, outcome, duration), self.span.as_ref());
        }
    }

    fn route(&self) -> Cow<'static, str> {
        let noted = self.notes.read(|noted| noted.route.clone());
        noted.or_else(|| self.route.clone()).map_or(Cow::Borrowed("unmatched"), clean)
    }

    fn time_to_first_byte(&self, outcome: Outcome, duration: Duration) -> Option<Duration> {
        // An answer without a body is all there at once.
        let whole = matches!(outcome, Outcome::Answered | Outcome::Refused).then_some(duration);
        self.first_byte.or(whole)
    }

    fn record(&self, route: Cow<'static, str>, outcome: Outcome, duration: Duration) -> Record {
        let noted = self.notes.read(Noted::clone);
        let answer = self.answer.unwrap_or_default();
        Record {
            route,
            method: self.method.clone(),
            status: self.answer.map(|answer| answer.status),
            outcome,
            refused_by: answer.refused_by,
            error_code: answer.error_code,
            user_id: noted.user_id.map(clean),
            provider: noted.provider.map(clean),
            cost: noted.cost.map(|(amount, currency)| (amount, clean(currency))),
            retry_count: noted.retries,
            breaker: noted.breaker.map(clean),
            idempotency: noted.idempotency.map(clean),
            correlation_id: self.correlation_id.clone(),
            duration,
            time_to_first_byte: self.time_to_first_byte(outcome, duration),
            request_bytes: self.request_bytes,
            response_bytes: self.sent,
        }
    }
}

/// Runs what must not harm the request, even if it panics.
pub(crate) fn contain(run: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(run)));
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    // Mostly it is not there, which a walk over the names finds out sooner than a look-up.
    if !headers.keys().any(|name| *name == CONTENT_LENGTH) {
        return None;
    }
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("method", &self.method).field("notes", &self.notes).finish_non_exhaustive()
    }
}
