use crate::{
    circuit::Machine,
    entry::Ticket,
    sync::{AtomicU64, Ordering},
    window::Nanos,
};

/// What the machine of a circuit says, for those without its lock. Written under it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Gate {
    standing: AtomicU64,
    until: AtomicU64,
}

impl Gate {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self { standing: AtomicU64::new(machine.standing().0), until: AtomicU64::new(machine.until()) }
    }

    pub(crate) fn publish(&self, machine: &Machine) {
        self.until.store(machine.until(), Ordering::Release);
        self.standing.store(machine.standing().0, Ordering::Release);
    }

    #[inline]
    pub(crate) fn standing(&self) -> Ticket {
        Ticket(self.standing.load(Ordering::Acquire))
    }

    /// Until when it is open.
    pub(crate) fn until(&self) -> Nanos {
        self.until.load(Ordering::Acquire)
    }
}
