//! All that is logged and counted, in one place.

use std::any::Any;

use buttress_core::CorrelationId;
use http::StatusCode;

use crate::{BoxError, foreign};

/// The longest text of others that goes into a log line, in bytes.
const LONGEST: usize = 2_048;

/// A failure above 499 whose text is not for the caller (ENV-4).
pub(crate) fn masked(status: StatusCode, body: &[u8], id: Option<&CorrelationId>) {
    let text = foreign::clean(&String::from_utf8_lossy(&body[..body.len().min(LONGEST)]), LONGEST);
    warn("masked_failure", id, Some(status), text.as_deref().unwrap_or("(no text)"));
}

/// A panic below.
pub(crate) fn panicked(payload: &(dyn Any + Send), id: Option<&CorrelationId>) {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)");
    let text = foreign::clean(text, LONGEST);
    error("handler_panicked", id, text.as_deref().unwrap_or("(no text)"));
}

/// An error with its sources, which the caller does not see.
pub(crate) fn cause(event: &'static str, cause: &BoxError, id: Option<&CorrelationId>) {
    let mut text = cause.to_string();
    let mut source = cause.source();
    while let Some(error) = source.filter(|_| text.len() < LONGEST) {
        text = format!("{text}: {error}");
        source = error.source();
    }
    let text = foreign::clean(&text, LONGEST);
    error(event, id, text.as_deref().unwrap_or("(no text)"));
}

/// An answer in an old shape.
pub(crate) fn legacy(route: Option<&str>, by: &'static str, id: Option<&CorrelationId>) {
    let route = route.unwrap_or("none");
    count(route, by);
    info("legacy_answer", route, by, id);
}

#[cfg(feature = "metrics")]
fn count(route: &str, by: &'static str) {
    metrics::counter!("envelope_legacy_answers_total", "route" => route.to_owned(), "by" => by).increment(1);
}

#[cfg(not(feature = "metrics"))]
fn count(_: &str, _: &'static str) {}

#[cfg(feature = "tracing")]
mod log {
    use buttress_core::CorrelationId;
    use http::StatusCode;
    use tracing::field::{DisplayValue, display};

    fn shown(id: Option<&CorrelationId>) -> Option<DisplayValue<&CorrelationId>> {
        id.map(display)
    }

    pub(super) fn info(event: &'static str, route: &str, by: &'static str, id: Option<&CorrelationId>) {
        tracing::info!(route, by, correlation_id = shown(id), "{event}");
    }

    pub(super) fn warn(event: &'static str, id: Option<&CorrelationId>, status: Option<StatusCode>, text: &str) {
        let status = status.map(|status| status.as_u16());
        tracing::warn!(correlation_id = shown(id), status, text, "{event}");
    }

    pub(super) fn error(event: &'static str, id: Option<&CorrelationId>, text: &str) {
        tracing::error!(correlation_id = shown(id), text, "{event}");
    }
}

#[cfg(not(feature = "tracing"))]
mod log {
    use buttress_core::CorrelationId;
    use http::StatusCode;

    pub(super) fn info(_: &'static str, _: &str, _: &'static str, _: Option<&CorrelationId>) {}

    pub(super) fn warn(_: &'static str, _: Option<&CorrelationId>, _: Option<StatusCode>, _: &str) {}

    pub(super) fn error(_: &'static str, _: Option<&CorrelationId>, _: &str) {}
}

use log::{error, info, warn};
