use std::{array, time::Duration};

use buttress_core::{CorrelationId, ProblemCode};
use http::StatusCode;
use tracing::{Event, Span, Value};

use crate::{Record, clean::MOST, site::Site};

/// The fields of a line, in the order of the values in [`write`]. They are stable.
pub(crate) const FIELDS: [&str; 19] = [
    "message",
    "route",
    "method",
    "status",
    "outcome",
    "refused_by",
    "error_code",
    "user_id",
    "provider",
    "cost",
    "cost_currency",
    "retry_count",
    "breaker",
    "idempotency",
    "correlation_id",
    "duration_ms",
    "time_to_first_byte_ms",
    "request_bytes",
    "response_bytes",
];

/// Writes a record as an event, in the span in which the request came.
pub(crate) fn write(site: &'static Site, message: &str, record: &Record, span: Option<&Span>) {
    let cost = record.cost.as_ref();
    let method = cut(record.method.as_str());
    let values: [&dyn Value; FIELDS.len()] = [
        &message,
        &&*record.route,
        &method,
        &record.status.as_ref().map(StatusCode::as_u16),
        &record.outcome.as_str(),
        &record.refused_by,
        &record.error_code.map(ProblemCode::as_str),
        &record.user_id.as_deref(),
        &record.provider.as_deref(),
        &cost.map(|(amount, _)| *amount),
        &cost.map(|(_, currency)| &**currency),
        &record.retry_count,
        &record.breaker.as_deref(),
        &record.idempotency.as_deref(),
        &record.correlation_id.as_ref().map(CorrelationId::as_str),
        &millis(record.duration),
        &record.time_to_first_byte.map(millis),
        &record.request_bytes,
        &record.response_bytes,
    ];
    let fields = site.fields();
    let pairs: [_; FIELDS.len()] = array::from_fn(|i| (&fields[i], Some(values[i])));
    let values = site.metadata().fields().value_set(&pairs);
    let _span = span.map(Span::enter);
    Event::dispatch(site.metadata(), &values);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A method is a token of ASCII, which cannot forge a line, but it can be long.
fn cut(method: &str) -> &str {
    method.get(..MOST).unwrap_or(method)
}
