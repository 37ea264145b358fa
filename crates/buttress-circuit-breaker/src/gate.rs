use crate::{
    State,
    circuit::Machine,
    sync::{AtomicU64, Ordering},
    window::Nanos,
};

/// What the machine of a circuit says, for those without its lock. Written under it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Gate {
    word: AtomicU64,
    until: AtomicU64,
}

/// A generation and, in its last three bits, the state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word(u64);

impl Gate {
    pub(crate) fn new(machine: &Machine) -> Self {
        Self { word: AtomicU64::new(Word::of(machine).0), until: AtomicU64::new(machine.until()) }
    }

    pub(crate) fn publish(&self, machine: &Machine) {
        self.until.store(machine.until(), Ordering::Release);
        self.word.store(Word::of(machine).0, Ordering::Release);
    }

    #[inline]
    pub(crate) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Until when it is open.
    pub(crate) fn until(&self) -> Nanos {
        self.until.load(Ordering::Acquire)
    }
}

impl Word {
    fn of(machine: &Machine) -> Self {
        Self(machine.generation() << 3 | machine.state().index() as u64)
    }

    #[inline]
    pub(crate) fn generation(self) -> u64 {
        self.0 >> 3
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & 7 == State::Closed.index() as u64
    }

    pub(crate) fn state(self) -> State {
        State::ALL[usize::from(self.0 as u8 & 7).min(State::ALL.len() - 1)]
    }
}
