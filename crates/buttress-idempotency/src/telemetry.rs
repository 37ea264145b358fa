//! All that is logged and counted, in one place.

use crate::{Event, EventKind};

/// An event of the layer: a line, and one more on the counter of its kind.
#[inline]
pub(crate) fn tell(event: &Event) {
    count(event.kind);
    log::tell(event);
}

/// The store or a seal panicked while something was done for a key.
#[cold]
pub(crate) fn panicked(what: &'static str) {
    log::panicked(what);
}

/// A hook panicked.
#[cold]
pub(crate) fn hook_panicked() {
    log::hook_panicked();
}

/// The store or a seal failed while something was done for a key.
pub(crate) fn failed(what: &'static str, error: &(dyn std::error::Error + 'static)) {
    log::failed(what, error);
}

/// An answer that could have been recorded found no room among those on their way.
#[cold]
pub(crate) fn crowded_out() {
    #[cfg(feature = "metrics")]
    metrics::counter!("buttress_idempotency_answers_crowded_out_total").increment(1);
}

/// A record that was still of use made room for another.
pub(crate) fn evicted() {
    #[cfg(feature = "metrics")]
    metrics::counter!("buttress_idempotency_evictions_total").increment(1);
}

#[cfg(feature = "metrics")]
fn count(kind: EventKind) {
    use metrics::{Key, Label, Level, Metadata};

    static METADATA: Metadata<'_> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
    // Each counter is a constant: nothing is made to count.
    macro_rules! counter {
        ($($kind:ident)*) => {
            match kind {
                $(EventKind::$kind => {
                    static LABELS: [Label; 1] = [Label::from_static_parts("kind", EventKind::$kind.as_str())];
                    static KEY: Key = Key::from_static_parts("buttress_idempotency_total", &LABELS);
                    &KEY
                })*
            }
        };
    }
    let key = counter!(
        First Replayed InProgress Mismatch Uncertain Expired NotReplayable InvalidKey MissingKey Unread Crowded NoScope
        StoreDown Unprotected Recorded RecordedBare Released Doubted Lost Weakened WentOn
    );
    metrics::with_recorder(|recorder| recorder.register_counter(key, &METADATA)).increment(1);
}

#[cfg(not(feature = "metrics"))]
fn count(_: EventKind) {}

#[cfg(feature = "tracing")]
mod log {
    use tracing::{Instrument, Span, debug, error, info, warn};

    use crate::{Event, EventKind};

    #[inline]
    pub(super) fn tell(event: &Event) {
        let kind = event.kind.as_str();
        match event.kind {
            EventKind::First | EventKind::Recorded => {
                debug!(kind, operation = event.operation.map(display), "idempotency")
            }
            EventKind::StoreDown
            | EventKind::Crowded
            | EventKind::Unprotected
            | EventKind::Lost
            | EventKind::Weakened
            | EventKind::Doubted => {
                warn!(kind, operation = event.operation.map(display), "idempotency");
            }
            _ => info!(kind, operation = event.operation.map(display), "idempotency"),
        }
    }

    pub(super) fn failed(what: &'static str, error: &(dyn std::error::Error + 'static)) {
        warn!(what, error, "idempotency_failed");
    }

    pub(super) fn panicked(what: &'static str) {
        error!(what, "idempotency_panicked");
    }

    pub(super) fn hook_panicked() {
        error!("idempotency_hook_panicked");
    }

    /// The span of a request, for what goes on without its caller.
    #[derive(Debug)]
    pub(crate) struct Place(Span);

    impl Place {
        pub(crate) fn here() -> Self {
            Self(Span::current())
        }

        pub(crate) fn around<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
            future.instrument(self.0)
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod log {
    use crate::Event;

    pub(super) fn tell(_: &Event) {}

    pub(super) fn failed(_: &'static str, _: &dyn std::error::Error) {}

    pub(super) fn panicked(_: &'static str) {}

    pub(super) fn hook_panicked() {}

    #[derive(Debug)]
    pub(crate) struct Place(());

    impl Place {
        pub(crate) fn here() -> Self {
            Self(())
        }

        pub(crate) fn around<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
            future
        }
    }
}

pub(crate) use log::Place;
