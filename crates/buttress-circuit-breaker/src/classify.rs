use http::{Response, StatusCode};

/// What an answer, or an error in its place, says about the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing. The call is not counted, and a trial gives its place back.
    Ignore,
}

/// What says more than the status: an error of a certain kind, a header, an extension.
///
/// `None` leaves it to the [`Policy`](crate::Policy): an answer goes by its status, and every error is a failure.
/// A closure over the error is one, too. It is cloned for each call: keep that cheap.
///
/// # Examples
///
/// ```
/// use buttress_circuit_breaker::{Classify, Verdict};
/// use http::Response;
///
/// /// Takes an answer from the cache of a proxy for no sign of life.
/// #[derive(Clone)]
/// struct NoCache;
///
/// impl<E> Classify<E> for NoCache {
///     fn answer<B>(&self, answer: &Response<B>) -> Option<Verdict> {
///         answer.headers().contains_key("age").then_some(Verdict::Ignore)
///     }
/// }
/// ```
pub trait Classify<E> {
    /// What the head of an answer says.
    #[inline]
    fn answer<B>(&self, answer: &Response<B>) -> Option<Verdict> {
        let _ = answer;
        None
    }

    /// What an error says that came in place of an answer.
    #[inline]
    fn error(&self, error: &E) -> Option<Verdict> {
        let _ = error;
        None
    }
}

/// Leaves everything to the [`Policy`](crate::Policy): answers by status, and every error is a failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByStatus;

impl<E> Classify<E> for ByStatus {}

impl<F, E> Classify<E> for F
where
    F: Fn(&E) -> Verdict,
{
    fn error(&self, error: &E) -> Option<Verdict> {
        Some(self(error))
    }
}

/// What each status says, asked once.
#[derive(Clone)]
pub(crate) struct Statuses(Box<[Verdict; ALL]>);

/// Statuses go from 100 to 999: enough of a power of two, so that none is out of bounds.
const ALL: usize = 1024;

impl Statuses {
    pub(crate) fn ask(judge: impl Fn(StatusCode) -> Verdict) -> Self {
        let mut verdicts = Box::new([Verdict::Ignore; ALL]);
        for (code, verdict) in (0..).zip(verdicts.iter_mut()) {
            if let Ok(status) = StatusCode::from_u16(code) {
                *verdict = judge(status);
            }
        }
        Self(verdicts)
    }

    #[inline]
    pub(crate) fn verdict(&self, status: StatusCode) -> Verdict {
        self.0[usize::from(status.as_u16()) % ALL]
    }

    /// All statuses below this one are successes.
    pub(crate) fn successes_below(&self) -> u16 {
        (100..1_000).find(|code| self.0[usize::from(*code)] != Verdict::Success).unwrap_or(1_000)
    }
}

impl Default for Statuses {
    /// 5xx says that it does not work; 501 and 505 say so of the request alone.
    fn default() -> Self {
        Self::ask(|status| match status {
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Verdict::Success,
            status if status.is_server_error() => Verdict::Failure,
            _ => Verdict::Success,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // CBK-13
    #[test]
    fn by_default_only_5xx_is_a_failure() {
        let statuses = Statuses::default();
        let failures: Vec<_> = (100..=999)
            .filter(|code| statuses.verdict(StatusCode::from_u16(*code).unwrap()) == Verdict::Failure)
            .collect();
        let expected: Vec<_> = (500..600).filter(|code| ![501, 505].contains(code)).collect();
        assert_eq!(failures, expected);
        assert_eq!(statuses.verdict(StatusCode::TOO_MANY_REQUESTS), Verdict::Success);
        assert_eq!(statuses.successes_below(), 500);
    }

    #[test]
    fn each_status_is_asked_for() {
        let statuses = Statuses::ask(|status| match status.as_u16() % 3 {
            0 => Verdict::Success,
            1 => Verdict::Failure,
            _ => Verdict::Ignore,
        });
        for code in 100..=999 {
            let verdict = statuses.verdict(StatusCode::from_u16(code).unwrap());
            assert_eq!(verdict, [Verdict::Success, Verdict::Failure, Verdict::Ignore][usize::from(code % 3)]);
        }
    }
}
