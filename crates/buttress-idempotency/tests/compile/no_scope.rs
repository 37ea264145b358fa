use buttress_idempotency::{IdempotencyLayer, MemoryStore, Secret};
use tower::Layer;

/// As servers and stacks ask for it.
fn stack<S, L: Layer<S>>(_: L, _: S) {}

fn main() {
    stack(IdempotencyLayer::new(MemoryStore::default(), Secret::new([0; 32])), "a service");
}
