use std::sync::Arc;

use crate::{
    shared::Shared,
    sync::{lanes, thread},
};

/// A circuit as one lane of threads holds on to it, so that its reference count is theirs alone.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Lane(Arc<Shared>);

impl Lane {
    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

/// A circuit with its lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    lanes: Box<[Arc<Lane>]>,
}

impl Lanes {
    pub(crate) fn new(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Self { lanes: (0..lanes()).map(|_| Arc::new(Lane(shared.clone()))).collect(), shared }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The lane of this thread.
    #[inline]
    pub(crate) fn lane(&self) -> &Arc<Lane> {
        &self.lanes[thread() & (self.lanes.len() - 1)]
    }
}
