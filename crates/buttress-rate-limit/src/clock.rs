use tokio::time::Instant;

/// Where a store has the time from.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The clock of tokio, which a test may pause.
    Tokio { start: Instant },
    #[cfg(feature = "quanta")]
    Processor { counter: quanta::Clock, start: u64 },
}

impl Clock {
    pub(crate) fn tokio() -> Self {
        Self::Tokio { start: Instant::now() }
    }

    #[cfg(feature = "quanta")]
    pub(crate) fn processor() -> Self {
        let counter = quanta::Clock::new();
        Self::Processor { start: counter.raw(), counter }
    }

    /// Nanoseconds since it was made: good for 584 years.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Tokio { start } => {
                let elapsed = Instant::now().saturating_duration_since(*start);
                elapsed.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(elapsed.subsec_nanos()))
            }
            #[cfg(feature = "quanta")]
            Self::Processor { counter, start } => counter.delta_as_nanos(*start, counter.raw()),
        }
    }
}
