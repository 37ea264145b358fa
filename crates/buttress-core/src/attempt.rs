use std::num::NonZeroU32;

use http::Extensions;

/// Which try of a call this is: 1 for the first.
///
/// A mark in the extensions of requests that leave. Whoever tries a call again marks all of its requests, the first one
/// as well, so that layers below can tell a first try from a later one, and so that no second layer of the same stack
/// tries it again (RTY-17, RTY-18). It is written and read by [`mark`](Self::mark) and [`of`](Self::of) alone.
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

/// That a request is one of several tries. Of no size, it is put among the extensions without an allocation; and the
/// first try is one of every call.
#[derive(Clone)]
struct Marked;

/// Which one, if it is not the first.
#[derive(Clone)]
struct Later(Attempt);

impl Attempt {
    /// The first try.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Which try a request is, if it was marked.
    #[must_use]
    #[inline]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        let Marked = extensions.get()?;
        Some(extensions.get().map_or(Self::FIRST, |Later(attempt)| *attempt))
    }

    /// Marks a request as this try.
    #[inline]
    pub fn mark(self, extensions: &mut Extensions) {
        let marked = extensions.insert(Marked).is_some();
        if self != Self::FIRST {
            extensions.insert(Later(self));
        } else if marked {
            extensions.remove::<Later>();
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
}
