use crate::window::Nanos;

/// The right to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) generation: u64,
    /// 0 if it is no trial.
    pub(crate) trial: u64,
}

/// Whether a call may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Admit(Ticket),
    /// `None` if nobody knows for how long.
    Refuse(Option<Nanos>),
}
