use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use http::{Method, header::ACCEPT};

use crate::{Fields, Head, Refused, limit::Pick, telemetry};

/// What a layer was told beside its limits, shared by its services.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) exempt: Option<Arc<Pick>>,
    pub(crate) streams: Arc<Pick>,
    pub(crate) fields: Fields,
    pub(crate) jitter: Duration,
    pub(crate) hook: Option<Arc<Hook>>,
    pub(crate) tab: bool,
}

pub(crate) type Hook = dyn Fn(&Refused) + Send + Sync;

impl Default for Settings {
    fn default() -> Self {
        Self {
            exempt: None,
            streams: Arc::new(asks_for_events),
            fields: Fields::Draft,
            jitter: Duration::ZERO,
            hook: None,
            tab: false,
        }
    }
}

impl Settings {
    /// A choice that panics is no exemption (RLM-16).
    #[inline]
    pub(crate) fn is_exempt(&self, head: &Head<'_>) -> bool {
        self.exempt.as_ref().is_some_and(|exempt| calmly(exempt, head).unwrap_or(false))
    }

    pub(crate) fn is_stream(&self, head: &Head<'_>) -> bool {
        calmly(&self.streams, head).unwrap_or_else(|| asks_for_events(head))
    }
}

fn calmly(pick: &Arc<Pick>, head: &Head<'_>) -> Option<bool> {
    catch_unwind(AssertUnwindSafe(|| pick(head))).map_err(|_| telemetry::closure_panicked(None)).ok()
}

/// What every browser's `EventSource` sends.
fn asks_for_events(head: &Head<'_>) -> bool {
    const EVENTS: &[u8; 17] = b"text/event-stream";
    // There are few slashes in a line, which may be long.
    let is_it = |part: &[u8]| part[4] == b'/' && part.eq_ignore_ascii_case(EVENTS);
    let names = |line: &[u8]| line.windows(EVENTS.len()).any(is_it);
    // Fields are few: to look a name up in the map takes longer than to look at all of them.
    head.method() == Method::GET && head.headers().iter().any(|(name, line)| *name == ACCEPT && names(line.as_bytes()))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exempt, streams: _, fields, jitter, hook, tab } = self;
        f.debug_struct("Settings")
            .field("exempt", &exempt.is_some())
            .field("fields", fields)
            .field("jitter", jitter)
            .field("on_refused", &hook.is_some())
            .field("tab", tab)
            .finish_non_exhaustive()
    }
}
