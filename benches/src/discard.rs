use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

/// From here on, spans and events of every level are wanted, and thrown away.
pub fn discard_events() {
    // Whoever asks again has it already.
    let _ = tracing::subscriber::set_global_default(Discard);
}

struct Discard;

impl Subscriber for Discard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
