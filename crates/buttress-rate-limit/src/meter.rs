use metrics::{Counter, Key, Label, Level, Metadata, SharedString, counter, with_recorder};

use crate::Failure;

const REFUSED: &str = "buttress_rate_limit_refused_total";
const THROTTLED: &str = "buttress_throttle_refused_total";
const FAILED: &str = "buttress_rate_limit_store_failures_total";

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The counters of a limit. Their names are put together and hashed once, as requests are refused when there are many.
pub(crate) struct Meter {
    refused: Key,
    shadow: Key,
}

impl Meter {
    pub(crate) fn new(limit: &'static str) -> Self {
        let key = |shadow| {
            Key::from_parts(REFUSED, vec![Label::new("limit", limit), Label::from_static_parts("shadow", shadow)])
        };
        Self { refused: key("false"), shadow: key("true") }
    }

    /// A request that the limit refused, or would have refused.
    pub(crate) fn refused(&self, shadow: bool) {
        let key = if shadow { &self.shadow } else { &self.refused };
        // The recorder may be another one, or there at last.
        let counter: Counter = with_recorder(|recorder| recorder.register_counter(key, &METADATA));
        counter.increment(1);
    }
}

/// A request about which a limit could not be asked (RLM-11).
pub(crate) fn failed(limit: &'static str, failure: Failure) {
    let outcome = match failure {
        Failure::Open => "open",
        Failure::Closed => "closed",
        Failure::Local => "local",
    };
    counter!(FAILED, "limit" => SharedString::const_str(limit), "outcome" => outcome).increment(1);
}

/// A call that would have had to wait too long.
pub(crate) fn throttled() {
    counter!(THROTTLED).increment(1);
}
