use std::time::Duration;

use buttress_core::Problem;
use http::{Extensions, HeaderMap, Response, StatusCode, response::Parts};

use crate::signal::{Signals, Word};

/// How a try ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome<'a, E> {
    /// With an answer, of whoever gave it.
    Answer(Answer<'a>),
    /// With an error of the service below.
    Error(&'a E),
    /// Not within the time for one try.
    TimedOut,
}

/// An answer, without its body.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its extensions: a `Problem` among them, if a layer on this side made the answer.
    pub extensions: &'a Extensions,
    /// What its body says of a retry, where it is short and an envelope or problem details: see
    /// [`Problem::retryable_in`]. Only asked of 408, 409, 429 and 5xx.
    pub told: Option<bool>,
    // None: not read yet.
    signals: Option<Signals<'a>>,
}

/// What an outcome is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Hand it on.
    Final,
    /// Another try may do better, if the request may be sent twice.
    Retry,
    /// The same, but the server has too much to do: the longer backoff holds.
    Throttled,
    /// The request provably never left: any request may be tried again.
    Unsent,
    /// The server gave the request back before it looked at it (HTTP/2 `REFUSED_STREAM`, or `GOAWAY` above its last
    /// stream): any request may be tried again, the first time at once and free of the budget (RTY-19).
    Unprocessed,
}

impl<'a> Answer<'a> {
    #[inline]
    pub(crate) fn of<B>(response: &'a Response<B>) -> Self {
        let (headers, extensions) = (response.headers(), response.extensions());
        Self { status: response.status(), headers, extensions, told: None, signals: None }
    }

    /// The same of a failure, whose head will be asked more than once.
    pub(crate) fn of_failure<B>(response: &'a Response<B>) -> Self {
        Self { signals: Some(Signals::of(response.headers())), ..Self::of(response) }
    }

    pub(crate) fn read(head: &'a Parts, told: Option<bool>) -> Self {
        let Parts { status, headers, extensions, .. } = head;
        Self { status: *status, headers, extensions, told, signals: Some(Signals::of(headers)) }
    }

    #[inline]
    fn verdict(&self) -> Verdict {
        if self.status.as_u16() < 400 {
            return Verdict::Final;
        }
        self.failed()
    }

    /// What a failure is worth.
    fn failed(&self) -> Verdict {
        // RTY-14
        match self.signals().word {
            Some(Word::Never) => return Verdict::Final,
            Some(Word::Retry) => return self.worth(),
            None => {}
        }
        match self.extensions.get::<Problem>() {
            Some(problem) if !problem.retryable() => Verdict::Final,
            Some(problem) if is_refusal(problem) => Verdict::Unsent,
            Some(_) => self.worth(),
            None => self.by_status(),
        }
    }

    /// RTY-15
    fn by_status(&self) -> Verdict {
        match (self.status.as_u16(), self.told) {
            (408 | 409 | 429 | 500 | 502..=599, Some(false)) => Verdict::Final,
            (408 | 409 | 429 | 500 | 502..=599, Some(true)) | (408 | 429 | 500 | 502..=504 | 520..=524, None) => {
                self.worth()
            }
            _ => Verdict::Final,
        }
    }

    fn worth(&self) -> Verdict {
        if self.status == StatusCode::TOO_MANY_REQUESTS { Verdict::Throttled } else { Verdict::Retry }
    }

    fn delay(&self) -> Option<Duration> {
        let by_problem = self.extensions.get().and_then(Problem::delay);
        by_problem.or_else(|| self.signals().delay(self.headers))
    }

    /// Whether it is of those that may pass, as far as the status says.
    #[inline]
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 409 | 429 | 500..)
    }

    /// Whether its head leaves it to the body.
    pub(crate) fn says_nothing(&self) -> bool {
        self.signals().word.is_none() && self.extensions.get::<Problem>().is_none()
    }

    pub(crate) fn signals(&self) -> Signals<'a> {
        self.signals.unwrap_or_else(|| Signals::of(self.headers))
    }
}

/// A layer on this side refused to send it, an open circuit breaker or a throttle for instance: extensions do not cross
/// the wire. What had no answer in time was sent.
fn is_refusal(problem: &Problem) -> bool {
    let refused = matches!(problem.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    refused && problem.layer().is_some()
}

impl<E> Outcome<'_, E> {
    /// What [`Standard`](crate::Standard) says.
    ///
    /// | | |
    /// |---|---|
    /// | `x-should-retry` or `stripe-should-retry` | obeyed: `false` for every answer, `true` for failures |
    /// | `grpc-retry-pushback-ms`, negative or unreadable | final |
    /// | a `Problem` in the extensions | as it says; unsent, if a layer on this side refused with 429 or 503 |
    /// | 408, 429, 500, 502, 503, 504, 520 to 524 | retried, unless the body says `"retryable":false` |
    /// | 409 and other 5xx but 501 | only if the body says `"retryable":true` |
    /// | any other answer | final |
    /// | an error, or a time-out of the try | retried |
    ///
    /// 520 to 524 are the words of an edge for a server behind it. 429 is `Throttled`.
    #[must_use]
    #[inline]
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Answer(answer) => answer.verdict(),
            Self::Error(_) | Self::TimedOut => Verdict::Retry,
        }
    }

    /// How long the server, or the layer that refused, wants to be left alone: the delay of a `Problem`, else
    /// `grpc-retry-pushback-ms`, else `retry-after-ms`, else `Retry-After` in seconds or as a date of any of the three
    /// forms; dates by the system's clock (RTY-7).
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        match self {
            Self::Answer(answer) => answer.delay(),
            Self::Error(_) | Self::TimedOut => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use buttress_core::ProblemCode;

    use super::*;

    const CODE: ProblemCode = ProblemCode::new("code");

    fn verdict(response: &Response<()>, told: Option<bool>) -> Verdict {
        let answer = Answer { told, ..Answer::of(response) };
        Outcome::<()>::Answer(answer).verdict()
    }

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response<()> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap()
    }

    // RTY-15
    #[test]
    fn trouble_that_may_pass_is_retried_and_nothing_else() {
        for status in [500, 502, 503, 504, 520, 521, 522, 523, 524, 408] {
            assert_eq!(verdict(&answer(status, &[]), None), Verdict::Retry, "{status}");
        }
        assert_eq!(verdict(&answer(429, &[]), None), Verdict::Throttled);
        for status in [200, 204, 301, 400, 401, 402, 403, 404, 405, 409, 410, 413, 422, 501, 505, 511, 530] {
            assert_eq!(verdict(&answer(status, &[]), None), Verdict::Final, "{status}");
        }
    }

    // RTY-14
    #[test]
    fn the_body_of_a_failure_can_say_no_and_to_what_may_pass_yes() {
        for status in [408, 409, 429, 500, 503, 505, 530] {
            assert_eq!(verdict(&answer(status, &[]), Some(false)), Verdict::Final, "{status}");
            assert_ne!(verdict(&answer(status, &[]), Some(true)), Verdict::Final, "{status}");
        }
        // RTY-15
        for status in [200, 400, 401, 403, 404, 405, 410, 413, 422, 501] {
            assert_eq!(verdict(&answer(status, &[]), Some(true)), Verdict::Final, "{status}");
        }
    }

    // RTY-14
    #[test]
    fn the_word_of_the_server_is_obeyed() {
        for name in ["x-should-retry", "stripe-should-retry"] {
            assert_eq!(verdict(&answer(503, &[(name, "false")]), Some(true)), Verdict::Final);
            assert_eq!(verdict(&answer(409, &[(name, "true")]), Some(false)), Verdict::Retry);
            assert_eq!(verdict(&answer(429, &[(name, "TRUE")]), None), Verdict::Throttled);
            assert_eq!(verdict(&answer(200, &[(name, "true")]), None), Verdict::Final);
            assert_eq!(verdict(&answer(503, &[(name, "perhaps")]), None), Verdict::Retry);
        }
        for pushback in ["-1", "soon", ""] {
            assert_eq!(verdict(&answer(503, &[("grpc-retry-pushback-ms", pushback)]), None), Verdict::Final);
        }
        assert_eq!(verdict(&answer(503, &[("grpc-retry-pushback-ms", "10")]), None), Verdict::Retry);
        assert_eq!(verdict(&answer(200, &[("grpc-retry-pushback-ms", "10")]), None), Verdict::Final);
    }

    // RTY-18
    #[test]
    fn a_refusal_of_a_layer_on_this_side_was_never_sent() {
        let of = |problem: Problem| verdict(&problem.into_response::<()>(None).map(|_| ()), None);
        for status in [429, 503] {
            let problem = Problem::new(StatusCode::from_u16(status).unwrap(), CODE, "no");
            assert_eq!(of(problem.clone()), Verdict::Final);
            assert_eq!(of(problem.clone().refused_by("circuit_breaker")), Verdict::Final);
            assert_eq!(of(problem.may_retry().refused_by("circuit_breaker")), Verdict::Unsent);
        }
        let handler = Problem::new(StatusCode::SERVICE_UNAVAILABLE, CODE, "no").may_retry();
        assert_eq!(of(handler), Verdict::Retry);
        let late = Problem::new(StatusCode::GATEWAY_TIMEOUT, CODE, "late").may_retry().refused_by("timeout");
        assert_eq!(of(late), Verdict::Retry);
    }

    // RTY-7
    #[test]
    fn the_finest_of_the_waits_counts_and_nonsense_does_not() {
        let delay = |response: &Response<()>| Outcome::<()>::Answer(Answer::of(response)).delay();
        let ms = Duration::from_millis;
        assert_eq!(delay(&answer(503, &[("retry-after", "2")])), Some(ms(2_000)));
        assert_eq!(delay(&answer(503, &[("retry-after", "2"), ("retry-after-ms", "70")])), Some(ms(70)));
        assert_eq!(delay(&answer(503, &[("retry-after", "2"), ("grpc-retry-pushback-ms", "5")])), Some(ms(5)));
        assert_eq!(delay(&answer(503, &[("retry-after", "-2")])), None);
        assert_eq!(delay(&answer(503, &[("retry-after", "Sun Nov  6 08:49:37 1994")])), Some(Duration::ZERO));
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, CODE, "no").retry_after(ms(70));
        assert_eq!(delay(&problem.into_response::<()>(None).map(|_| ())), Some(ms(70)));
    }
}
