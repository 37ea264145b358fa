//! How a stream that cannot go on ends (pure).

use buttress_core::CorrelationId;

use crate::{Event, EventName};

/// Why a producer ended before its stream did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The inner stream failed, or was no stream that could be kept.
    Failed,
    /// Its producer was stopped, or vanished.
    Interrupted,
    /// Nobody read it any more.
    Cancelled,
}

impl Failure {
    /// The last event, in the shape of an envelope (ENV-13).
    pub(crate) fn event(self, correlation_id: Option<&CorrelationId>) -> Event {
        let (code, message) = match self {
            Self::Failed => ("stream_failed", "the stream failed"),
            Self::Interrupted => ("stream_interrupted", "the stream was interrupted"),
            Self::Cancelled => ("stream_cancelled", "the stream was cancelled, for nobody read it"),
        };
        // Nothing here needs an escape, nor do the characters of a correlation id.
        let id = correlation_id.map(|id| format!(r#","correlationId":"{}""#, id.as_str())).unwrap_or_default();
        let error = format!(r#"{{"code":"{code}","message":"{message}","retryable":true{id}}}"#);
        Event::data(format!(r#"{{"ok":false,"error":{error}}}"#)).name(ERROR)
    }
}

const ERROR: EventName = EventName::from_static("error");

#[cfg(test)]
mod tests {
    use super::*;

    // ENV-13
    #[test]
    fn a_failure_has_the_shape_of_an_envelope() {
        let id = "abc".parse().unwrap();
        let event = "event: error\ndata: {\"ok\":false,\"error\":{\"code\":\"stream_failed\",\
                     \"message\":\"the stream failed\",\"retryable\":true";
        assert_eq!(Failure::Failed.event(Some(&id)).encode(), format!("{event},\"correlationId\":\"abc\"}}}}\n\n"));
        assert_eq!(Failure::Failed.event(None).encode(), format!("{event}}}}}\n\n"));
    }
}
