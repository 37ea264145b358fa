use std::num::NonZeroU32;

use http::Extensions;

/// Which try of a call this is: 1 for the first.
///
/// A mark in the extensions of requests that leave. Whoever tries a call again marks all of its requests, the first one
/// as well, so that layers below can tell a first try from a later one, and so that no second layer of the same stack
/// tries it again (RTY-17, RTY-18).
///
/// # Examples
///
/// ```
/// use buttress_core::Attempt;
///
/// let mut request = http::Request::new(());
/// assert_eq!(Attempt::of(request.extensions()), None);
/// Attempt::FIRST.mark(request.extensions_mut());
/// assert_eq!(Attempt::of(request.extensions()).map(Attempt::number), Some(1));
/// Attempt::FIRST.next().mark(request.extensions_mut());
/// assert_eq!(Attempt::of(request.extensions()).map(Attempt::number), Some(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(NonZeroU32);

/// The mark of a first try. Of no size, it is put among the extensions without an allocation, and there is a first try
/// of every call.
#[derive(Clone)]
struct First;

impl Attempt {
    /// The first try.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Which try a request is, if it was marked.
    #[must_use]
    #[inline]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        match extensions.get::<First>() {
            Some(First) => Some(Self::FIRST),
            None => extensions.get().copied(),
        }
    }

    /// Marks a request as this try.
    #[inline]
    pub fn mark(self, extensions: &mut Extensions) {
        if self == Self::FIRST {
            extensions.insert(First);
        } else {
            extensions.remove::<First>();
            extensions.insert(self);
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mark_counts() {
        let second = Attempt::FIRST.next();
        let mut extensions = Extensions::new();
        assert_eq!(Attempt::of(&extensions), None);
        for attempt in [Attempt::FIRST, second, second.next(), Attempt::FIRST, second] {
            attempt.mark(&mut extensions);
            assert_eq!(Attempt::of(&extensions), Some(attempt));
        }
    }

    #[test]
    fn one_that_was_put_there_by_itself_counts_as_well() {
        let mut extensions = Extensions::new();
        extensions.insert(Attempt::FIRST);
        assert_eq!(Attempt::of(&extensions), Some(Attempt::FIRST));
    }
}
