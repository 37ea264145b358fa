use crate::{State, window::Nanos};

/// How a circuit stands, and the right to a call that was let in then: the number of the circuit, that of its generation,
/// whether slow calls count, and in the last three bits the state.
///
/// The right to a trial has the number of that trial in place of the generation's: it is never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

const STATE: u64 = 7;
const TIMED: u64 = 8;
const NUMBER: u64 = Ticket::NUMBERS - 1;

impl Ticket {
    /// No circuit has the number 0.
    pub(crate) const NOBODYS: Self = Self(0);

    /// How many bits of the word are in use, from below.
    pub(crate) const BITS: u32 = 4 + 24 + u32::BITS;

    /// From so many generations or trials on, their numbers begin anew.
    pub(crate) const NUMBERS: u64 = 1 << 24;

    fn new(circuit: u32, number: u64, state: State) -> Self {
        Self(u64::from(circuit) << 28 | (number & NUMBER) << 4 | state.index() as u64)
    }

    pub(crate) fn of_generation(circuit: u32, generation: u64, state: State) -> Self {
        // Not all from 0 on: who counts by no more than the end of a number tells circuits apart as well.
        Self::new(circuit, generation.wrapping_add(circuit.into()), state)
    }

    /// Slow calls count: of each it must be known when it began.
    pub(crate) fn timed(self) -> Self {
        Self(self.0 | TIMED)
    }

    /// In a half-open circuit there are no other calls.
    pub(crate) fn of_trial(circuit: u32, trial: u64) -> Self {
        Self::new(circuit, trial, State::HalfOpen)
    }

    /// The number of the trial, if it is one.
    pub(crate) fn trial(self) -> Option<u64> {
        (self.0 & STATE == State::HalfOpen.index() as u64).then_some(self.number())
    }

    /// The number of the circuit.
    pub(crate) fn circuit(self) -> u32 {
        (self.0 >> 28) as u32
    }

    /// The end of the number of its generation, or of its trial.
    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.0 >> 4 & NUMBER
    }

    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.0 & STATE == State::Closed.index() as u64
    }

    /// Whether it lets every call in, and when these begin need not be known.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.0 & (STATE | TIMED) == State::Closed.index() as u64
    }

    #[inline]
    pub(crate) fn is_timed(self) -> bool {
        self.0 & TIMED != 0
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
