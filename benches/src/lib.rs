//! What is measured: each layer over a service that is ready, beside its rivals.

mod breaker;
mod correlation;
mod discard;
mod envelope;
mod http;
mod idempotency;
mod rate_limit;
mod request_log;
mod retry;
mod sse;
mod sse_live;
mod sse_read;
mod stack;
pub mod table;
#[cfg(tower_rate_limiter)]
mod tower_rate_limiter;
mod wrapped;

pub use discard::discard_events;

/// Cases that do the same work, to be compared with each other.
#[derive(Debug)]
pub struct Group {
    /// What it is called on the command line and in the table.
    pub name: &'static str,
    /// Whether events of `tracing` go to a subscriber, which discards them. Once there is one, it stays: these come last.
    pub subscriber: bool,
    /// An operation takes milliseconds: a few will do.
    pub heavy: bool,
    /// One after the other, what the rest is measured against first.
    pub cases: Vec<Case>,
}

impl Group {
    fn new(name: &'static str, cases: impl IntoIterator<Item = Case>) -> Self {
        Self { name, subscriber: false, heavy: false, cases: cases.into_iter().collect() }
    }

    fn heavy(self) -> Self {
        Self { heavy: true, ..self }
    }

    fn with_subscriber(self) -> Self {
        Self { subscriber: true, ..self }
    }
}

/// One way to do the work of a group.
#[derive(Debug)]
pub struct Case {
    /// What it is called in the table.
    pub name: &'static str,
    /// Sets up what an operation needs.
    pub make: fn() -> Operation,
}

impl Case {
    fn new(name: &'static str, make: fn() -> Operation) -> Self {
        Self { name, make }
    }
}

/// Does it once.
pub type Operation = Box<dyn FnMut()>;

/// The service alone, or what begins with these words: what those after it in its group are measured against.
pub const BARE: &str = "bare service";

/// Everything that is measured.
pub fn groups() -> Vec<Group> {
    let mut groups = correlation::groups();
    groups.extend(envelope::groups());
    groups.extend(rate_limit::groups());
    groups.extend(idempotency::groups());
    groups.push(request_log::group("request log"));
    groups.extend(retry::groups());
    groups.push(stack::group("three layers"));
    groups.extend(breaker::groups());
    groups.push(sse::group());
    groups.extend(sse_read::groups());
    groups.extend(sse_live::groups());
    groups.push(request_log::group("request log, events discarded").with_subscriber());
    groups.push(stack::group("three layers, events discarded").with_subscriber());
    groups
}
