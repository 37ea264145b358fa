use std::sync::Arc;

use tower_layer::Layer;

use crate::{
    Breaker, ByStatus, Circuit, Circuits, InvalidPolicy, Keys, Policy,
    registry::{Make, Registry},
    rules::Rules,
};

/// Stops calling a service while it is down, and finds out when it is back.
///
/// Every service that it makes, and every clone of it and of them, goes by the same circuit, or by the same circuit for
/// each key.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_circuit_breaker::{BreakerLayer, Keys, Policy, Window};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = Policy::new(Window::time(Duration::from_secs(30))).failure_rate(0.5).minimum_calls(20);
/// let one = BreakerLayer::new("superduperai", policy.clone())?;
/// let each_host = BreakerLayer::keyed("hooks", policy, Keys::hosts().at_most(500))?;
/// let none = BreakerLayer::off();
///
/// let wrong = Policy::new(Window::calls(10)).minimum_calls(20);
/// let error = BreakerLayer::new("superduperai", wrong).unwrap_err();
/// assert_eq!(error.to_string(), "minimum_calls must be at most the size of the window");
/// # Ok(())
/// # }
/// ```
#[must_use]
#[derive(Clone, Debug)]
pub struct BreakerLayer<C = ByStatus> {
    source: Source,
    classify: C,
}

/// Where a service finds the circuit of a call.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Off,
    Single(Circuit),
    Keyed { registry: Arc<Registry>, without_key: Circuit },
}

impl Source {
    /// Whether it is known already that a call would be refused now.
    #[inline]
    pub(crate) fn refuses(&self) -> bool {
        match self {
            Self::Single(circuit) => circuit.shared().refuses(),
            Self::Off | Self::Keyed { .. } => false,
        }
    }
}

impl BreakerLayer {
    /// One circuit for all calls. The name is for events, metrics and snapshots.
    ///
    /// # Errors
    ///
    /// When a setting of the policy makes no sense.
    pub fn new(name: impl Into<Arc<str>>, policy: Policy) -> Result<Self, InvalidPolicy> {
        let make = Make::new(name.into(), Rules::new(policy)?);
        Ok(Self { source: Source::Single(make.circuit(None)), classify: ByStatus })
    }

    /// A circuit for each key of a request, and one more for calls without a key (CBK-15).
    ///
    /// # Errors
    ///
    /// When a setting of the policy or of the keys makes no sense.
    pub fn keyed(name: impl Into<Arc<str>>, policy: Policy, keys: Keys) -> Result<Self, InvalidPolicy> {
        let make = Make::new(name.into(), Rules::new(policy)?);
        let without_key = make.circuit(None);
        let registry = Arc::new(Registry::new(keys, make)?);
        Ok(Self { source: Source::Keyed { registry, without_key }, classify: ByStatus })
    }

    /// Does nothing at all: the calls go through, and nothing is counted.
    ///
    /// So that a setting can turn the breaker off without another type of stack.
    pub fn off() -> Self {
        Self { source: Source::Off, classify: ByStatus }
    }
}

impl<C> BreakerLayer<C> {
    /// Judges answers and errors by more than the policy: with a closure over the error, for instance.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{io, time::Duration};
    /// use buttress_circuit_breaker::{BreakerLayer, Policy, Verdict, Window};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let layer = BreakerLayer::new("disk", Policy::new(Window::calls(100)))?.classify(|error: &io::Error| {
    ///     match error.kind() {
    ///         io::ErrorKind::InvalidInput => Verdict::Ignore,
    ///         _ => Verdict::Failure,
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D> {
        BreakerLayer { source: self.source, classify }
    }

    /// The circuit of all calls, or with keys, of those without a key. `None` when it is off.
    #[must_use]
    pub fn circuit(&self) -> Option<Circuit> {
        self.circuits().single
    }

    /// All circuits that there are.
    #[must_use]
    pub fn circuits(&self) -> Circuits {
        match &self.source {
            Source::Off => Circuits { single: None, keyed: None },
            Source::Single(circuit) => Circuits { single: Some(circuit.clone()), keyed: None },
            Source::Keyed { registry, without_key } => {
                Circuits { single: Some(without_key.clone()), keyed: Some(registry.clone()) }
            }
        }
    }
}

impl<S, C: Clone> Layer<S> for BreakerLayer<C> {
    type Service = Breaker<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(inner, self.source.clone(), self.classify.clone())
    }
}
