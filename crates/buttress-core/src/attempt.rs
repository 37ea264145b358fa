use std::num::NonZeroU32;

/// Which try of a call this is: 1 for the first.
///
/// A request extension of calls that leave. Whoever tries a call again puts it there, on the first try as well, so that
/// layers below can tell a first try from a later one, and so that no second layer of the same stack tries it again
/// (RTY-17, RTY-18).
///
/// # Examples
///
/// ```
/// use buttress_core::Attempt;
///
/// let first = Attempt::FIRST;
/// assert_eq!((first.number(), first.next().number()), (1, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

impl Attempt {
    /// The first try.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The number of this try, 1 for the first.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.get()
    }

    /// The try after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
