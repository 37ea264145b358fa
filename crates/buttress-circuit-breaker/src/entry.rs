use crate::{State, window::Nanos};

/// How a circuit stands, and the right to a call that was let in then. From the last bit on: the state, whether slow calls
/// count, whether this call was slow, the number of the generation, and that of the circuit.
///
/// The right to a trial has the number of that trial in place of the generation's: it is never given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

const STATE: u64 = 7;
const TIMED: u64 = 1 << 3;
const SLOW: u64 = 1 << 4;
const NUMBER: u32 = 5;
const CIRCUIT: u32 = NUMBER + 24;

impl Ticket {
    /// No circuit has the number 0.
    pub(crate) const NOBODYS: Self = Self(0);

    /// From so many generations or trials on, their numbers begin anew.
    pub(crate) const NUMBERS: u64 = 1 << (CIRCUIT - NUMBER);

    /// So many bits of it, from the last on, are as good as all of them: those of another circuit are the same only if it
    /// came 2^14 circuits later, or a multiple of that, and the first had gone through as many states more.
    pub(crate) const LAST: u32 = CIRCUIT + 14;

    fn new(circuit: u32, number: u64, state: State, timed: bool) -> Self {
        let timed = if timed { TIMED } else { 0 };
        Self(u64::from(circuit) << CIRCUIT | (number % Self::NUMBERS) << NUMBER | timed | state.index() as u64)
    }

    /// If slow calls count, of each it must be known when it began.
    pub(crate) fn of_generation(circuit: u32, generation: u64, state: State, timed: bool) -> Self {
        // Not all from 0 on: most circuits stay in their first states, and the last bits have to tell these apart.
        Self::new(circuit, generation.wrapping_add(circuit.into()), state, timed)
    }

    /// In a half-open circuit there are no other calls.
    pub(crate) fn of_trial(circuit: u32, trial: u64, timed: bool) -> Self {
        Self::new(circuit, trial, State::HalfOpen, timed)
    }

    /// The number of the trial, if it is one.
    pub(crate) fn trial(self) -> Option<u64> {
        (self.state() == State::HalfOpen).then_some(self.0 >> NUMBER & (Self::NUMBERS - 1))
    }

    /// The number of the circuit.
    pub(crate) fn circuit(self) -> u32 {
        (self.0 >> CIRCUIT) as u32
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

    /// Notes whether the call was slow. No circuit stands like a slow call.
    #[inline]
    pub(crate) fn with_slow(self, slow: bool) -> Self {
        Self(self.0 & !SLOW | if slow { SLOW } else { 0 })
    }

    pub(crate) fn is_slow(self) -> bool {
        self.0 & SLOW != 0
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
