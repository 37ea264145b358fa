//! What operators are told: an event of `tracing` and a count for each refusal and each failure.

use std::{
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use tracing::{error, info, warn};

use crate::{
    Limit, NoKey, Refused,
    core::Armed,
    meter,
    settings::Settings,
    undecided::Undecided,
    which::{Names, Which},
};

/// Limits refused a request, or would have; their counters know. The hook hears it too; if it panics, the answer goes on.
pub(crate) fn tell<L>(which: Which, limits: &[Armed<L>], shadow: bool, wait: Option<Duration>, settings: &Settings) {
    // Looked for only if somebody listens.
    info!(
        limit = which.of(limits).next().map(|armed| armed.limit.name),
        violated = which.len(),
        shadow,
        wait_ms = wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        "rate_limited"
    );
    if let Some(hook) = &settings.hook {
        let refused = Refused::new(Names::of(which, limits), shadow, wait);
        if catch_unwind(AssertUnwindSafe(|| hook(&refused))).is_err() {
            error!("rate_limit_hook_panicked");
        }
    }
}

/// The store did not decide.
pub(crate) fn undecided<E: Error>(why: &Undecided<E>) {
    match why {
        Undecided::Failed(error) => warn!(%error, "rate_limit_store_failed"),
        Undecided::Late => warn!("rate_limit_store_timed_out"),
        Undecided::Panicked => error!("rate_limit_store_panicked"),
    }
}

/// A part of a limit panicked.
pub(crate) fn panicked(limit: &Limit) {
    let failure = limit.on_panic();
    meter::failed(limit.name, failure);
    error!(limit = limit.name, ?failure, "rate_limit_panicked");
}

/// Something else panicked that was asked for the request: as if it had not been.
pub(crate) fn closure_panicked(limit: Option<&'static str>) {
    error!(limit, "rate_limit_panicked");
}

/// A request has no key (IPA-8, IPA-9).
pub(crate) fn no_key(error: &NoKey) {
    match error {
        NoKey::NoPeer => error!(%error, "rate_limit_misconfigured"),
        NoKey::TooFewHops => warn!(%error, "rate_limit_client_unknown"),
    }
}
