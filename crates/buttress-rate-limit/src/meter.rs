use metrics::{SharedString, counter};

use crate::Failure;

const REFUSED: &str = "buttress_rate_limit_refused_total";
const THROTTLED: &str = "buttress_throttle_refused_total";
const FAILED: &str = "buttress_rate_limit_store_failures_total";

/// A request that a limit refused, or would have refused.
pub(crate) fn refused(limit: &'static str, shadow: bool) {
    let shadow = if shadow { "true" } else { "false" };
    counter!(REFUSED, "limit" => SharedString::const_str(limit), "shadow" => shadow).increment(1);
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
