use crate::{State, window::Nanos};

/// A generation and, in its last three bits, the state: how a circuit stands, and the right to a call that was let in then.
///
/// The right to a trial is the number of that trial in place of the generation: it is never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

const STATE: u64 = 7;

impl Ticket {
    pub(crate) fn new(generation: u64, state: State) -> Self {
        Self(generation << 3 | state.index() as u64)
    }

    /// In a half-open circuit there are no other calls.
    pub(crate) fn of_trial(number: u64) -> Self {
        Self::new(number, State::HalfOpen)
    }

    /// The number of the trial, if it is one.
    pub(crate) fn trial(self) -> Option<u64> {
        (self.0 & STATE == State::HalfOpen.index() as u64).then_some(self.generation())
    }

    #[inline]
    pub(crate) fn generation(self) -> u64 {
        self.0 >> 3
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & STATE == State::Closed.index() as u64
    }

    pub(crate) fn state(self) -> State {
        State::ALL[usize::from(self.0 as u8 & STATE as u8).min(State::ALL.len() - 1)]
    }
}

/// Whether a call may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Admit(Ticket),
    /// `None` if nobody knows for how long.
    Refuse(Option<Nanos>),
}
