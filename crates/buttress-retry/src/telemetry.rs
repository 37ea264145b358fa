//! All that is logged, counted and told, in one place.

use buttress_core::CorrelationId;

use crate::{GaveUp, Retrying, extras::Extras, settings::Common};

impl Common {
    /// Another try is to come.
    pub(crate) fn tell_retry(&self, retrying: &Retrying, extras: &Extras) {
        if let Some(notes) = extras.notes() {
            notes.write(|noted| noted.retries = noted.retries.saturating_add(1));
        }
        log::retry(retrying, extras.id());
        count::retry(retrying);
        if let Some(hook) = &self.on_retry {
            hook(retrying);
        }
    }

    /// There is none, although it might have done better.
    pub(crate) fn tell_give_up(&self, gave_up: &GaveUp, id: Option<&CorrelationId>) {
        log::gave_up(gave_up, id);
        count::gave_up(gave_up);
        if let Some(hook) = &self.on_give_up {
            hook(gave_up);
        }
    }
}

#[cfg(feature = "tracing")]
mod log {
    use buttress_core::CorrelationId;

    use crate::{GaveUp, Retrying};

    pub(super) fn retry(retrying: &Retrying, id: Option<&CorrelationId>) {
        let Retrying { failed, cause, delay } = retrying;
        tracing::info!(
            attempt = failed.number(),
            cause = cause.as_str(),
            status = cause.status().map(|status| status.as_u16()),
            refused_by = cause.layer(),
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            correlation_id = id.map(tracing::field::display),
            "retry_scheduled"
        );
    }

    pub(super) fn gave_up(gave_up: &GaveUp, id: Option<&CorrelationId>) {
        let GaveUp { failed, cause, why } = gave_up;
        tracing::warn!(
            attempt = failed.number(),
            cause = cause.as_str(),
            status = cause.status().map(|status| status.as_u16()),
            refused_by = cause.layer(),
            reason = why.as_str(),
            correlation_id = id.map(tracing::field::display),
            "retry_gave_up"
        );
    }
}

#[cfg(not(feature = "tracing"))]
mod log {
    use buttress_core::CorrelationId;

    use crate::{GaveUp, Retrying};

    pub(super) fn retry(_: &Retrying, _: Option<&CorrelationId>) {}

    pub(super) fn gave_up(_: &GaveUp, _: Option<&CorrelationId>) {}
}

#[cfg(feature = "metrics")]
mod count {
    use metrics::counter;

    use crate::{Cause, GaveUp, Retrying};

    // Of literals, a key is made once and not for each retry.
    pub(super) fn retry(retrying: &Retrying) {
        let retries = match retrying.cause {
            Cause::Status(_) => counter!("buttress_retries_total", "cause" => "status"),
            Cause::Refused(..) => counter!("buttress_retries_total", "cause" => "refused"),
            Cause::Error => counter!("buttress_retries_total", "cause" => "error"),
            Cause::TimedOut => counter!("buttress_retries_total", "cause" => "timed_out"),
        };
        retries.increment(1);
    }

    pub(super) fn gave_up(gave_up: &GaveUp) {
        counter!("buttress_retries_given_up_total", "reason" => gave_up.why.as_str()).increment(1);
    }
}

#[cfg(not(feature = "metrics"))]
mod count {
    use crate::{GaveUp, Retrying};

    pub(super) fn retry(_: &Retrying) {}

    pub(super) fn gave_up(_: &GaveUp) {}
}
