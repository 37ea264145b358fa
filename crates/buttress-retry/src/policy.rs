use std::time::Duration;

use http::request::Parts;

use crate::{Outcome, Repeat, Verdict};

/// Decides what is tried again: which requests, after which outcomes, and how long to wait.
///
/// Closures over an [`Outcome`] are policies, too; [`Outcome::verdict`] is what [`Standard`] would say, to build upon.
///
/// # Examples
///
/// ```
/// use buttress_retry::{Outcome, RetryLayer, Verdict};
///
/// // This server says 418 while it warms up.
/// let layer = RetryLayer::new().policy(|outcome: &Outcome<'_, std::io::Error>| match outcome {
///     Outcome::Answer(answer) if answer.status == 418 => Verdict::Retry,
///     other => other.verdict(),
/// });
/// ```
pub trait Policy<E> {
    /// Whether the request may be sent more than once. Asked before the first try of a call.
    #[inline]
    fn repeat(&self, request: &Parts) -> Repeat {
        Repeat::of(request)
    }

    /// What an outcome is worth.
    fn judge(&self, outcome: &Outcome<'_, E>) -> Verdict;

    /// The least time that the server wants to be left alone. By default as [`Outcome::delay`].
    fn delay(&self, outcome: &Outcome<'_, E>) -> Option<Duration> {
        outcome.delay()
    }
}

/// The policy of a layer that is told nothing else: [`Repeat::of`] and [`Outcome::verdict`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standard;

impl<E> Policy<E> for Standard {
    #[inline]
    fn judge(&self, outcome: &Outcome<'_, E>) -> Verdict {
        outcome.verdict()
    }
}

impl<E, F> Policy<E> for F
where
    F: Fn(&Outcome<'_, E>) -> Verdict,
{
    fn judge(&self, outcome: &Outcome<'_, E>) -> Verdict {
        self(outcome)
    }
}

/// [`Standard`], told by which errors a request provably never left: see
/// [`RetryLayer::never_left`](crate::RetryLayer::never_left).
#[derive(Clone, Copy, Debug)]
pub struct NeverLeft<F> {
    proves: F,
}

impl<F> NeverLeft<F> {
    pub(crate) fn new(proves: F) -> Self {
        Self { proves }
    }
}

impl<E, F: Fn(&E) -> bool> Policy<E> for NeverLeft<F> {
    /// Whatever may not be sent twice may be sent again if it was not sent.
    fn repeat(&self, request: &Parts) -> Repeat {
        match request.extensions.get() {
            Some(mark) => *mark,
            None if Repeat::of(request) == Repeat::Always => Repeat::Always,
            None => Repeat::IfUnsent,
        }
    }

    fn judge(&self, outcome: &Outcome<'_, E>) -> Verdict {
        match outcome {
            Outcome::Error(error) if (self.proves)(error) => Verdict::Unsent,
            outcome => outcome.verdict(),
        }
    }
}
