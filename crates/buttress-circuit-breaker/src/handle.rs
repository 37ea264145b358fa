use std::{fmt, sync::Arc};

use crate::{InvalidTransition, Snapshot, State, lane::Lane, registry::Registry, shared::Shared};

/// A circuit in the hand of whoever looks after it: a clone is the same circuit.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_circuit_breaker::{BreakerLayer, Policy, State, Window};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = BreakerLayer::new("superduperai", Policy::new(Window::time(Duration::from_secs(30))))?;
/// let circuit = layer.circuit().expect("it is not off");
/// circuit.become_state(State::ForcedOpen)?;
/// assert_eq!(circuit.snapshot().state, State::ForcedOpen);
/// circuit.reset();
/// assert_eq!(circuit.state(), State::Closed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Circuit(Arc<Shared>);

impl Circuit {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// The lane of this thread.
    #[inline]
    pub(crate) fn lane(&self) -> &'static Lane {
        self.0.lanes().mine()
    }

    /// How it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared().state()
    }

    /// How it stands, with its counts. It also brings the metrics up to date.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared().snapshot()
    }

    /// Takes it to another state by hand, and forgets its counts. To the same state, it changes nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be taken there: see [`State::may_become`].
    pub fn become_state(&self, state: State) -> Result<(), InvalidTransition> {
        self.shared().become_state(state)
    }

    /// Closes it, and forgets its counts and how often it has opened.
    pub fn reset(&self) {
        self.shared().reset();
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let telemetry = self.shared().telemetry();
        f.debug_struct("Circuit")
            .field("name", &telemetry.name)
            .field("key", &telemetry.key)
            .field("state", &self.state())
            .finish()
    }
}

/// The circuits of a layer: one, or one for each key that is known now. A clone is the same circuits.
#[derive(Clone, Debug)]
pub struct Circuits {
    pub(crate) single: Option<Circuit>,
    pub(crate) keyed: Option<Arc<Registry>>,
}

impl Circuits {
    /// The circuit of a key, if it is known. This is no use of it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Circuit> {
        self.keyed.as_ref()?.get(key)
    }

    /// How each of them stands, in the order of their keys, the one without a key first. It also brings the metrics up to
    /// date.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let keyed = self.keyed.iter().flat_map(|registry| registry.all());
        let mut snapshots: Vec<_> =
            self.single.iter().cloned().chain(keyed).map(|circuit| circuit.snapshot()).collect();
        snapshots.sort_by(|a, b| a.key.cmp(&b.key));
        snapshots
    }
}
