//! What came back from a call, as far as it can be said without knowing what the call was for.

use std::{
    fmt,
    pin::{Pin, pin},
    time::{Duration, SystemTime},
};

use buttress_core::{Problem, RetryAfter};
use bytes::{BufMut, Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::{BoxError, Token, detail::Detail};

/// The most that is read of an answer, and of the text of a refusal.
const MAX_ANSWER: usize = 1 << 20;
const MAX_REFUSAL: usize = 64 << 10;

/// A call was answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With a 2xx.
    Success(Result<Bytes, BodyFault>),
    /// With any other status.
    Refusal(Refusal),
}

/// An answer that is no success. Its status stands, whatever became of its body.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) delay: Option<Duration>,
    /// A layer on this side refused, and not the provider.
    pub(crate) local: Option<Problem>,
    pub(crate) detail: Detail,
}

/// A call was not answered.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    pub(crate) cause: Cause,
    /// Whether the request may have reached the provider.
    pub(crate) left: bool,
}

#[derive(Debug)]
pub(crate) enum Cause {
    TimedOut,
    Failed(BoxError),
}

/// The body of an answer could not be had.
#[derive(Debug)]
pub(crate) enum BodyFault {
    TooLarge,
    TimedOut,
    Broken(BoxError),
}

impl Answer {
    pub(crate) async fn read<B>(response: Response<B>, token: &Token, by: Instant) -> Self
    where
        B: Body<Error: Into<BoxError>>,
    {
        let (parts, body) = response.into_parts();
        if parts.status.is_success() {
            return Self::Success(read(body, MAX_ANSWER, by).await);
        }
        let local = parts.extensions.get::<Problem>().cloned();
        let asked = RetryAfter::from_headers(&parts.headers).map(|after| after.delay(SystemTime::now()));
        let text = read(body, MAX_REFUSAL, by).await.unwrap_or_default();
        Self::Refusal(Refusal {
            status: parts.status,
            delay: local.as_ref().and_then(Problem::delay).or(asked),
            local,
            detail: Detail::read(&text, token),
        })
    }
}

impl Refusal {
    /// Whether it is certain that the call did not take effect: the provider said so itself, or a layer on this side
    /// refused to send it.
    pub(crate) fn is_definite(&self) -> bool {
        let by_provider = !self.status.is_server_error() && self.status != StatusCode::REQUEST_TIMEOUT;
        by_provider || (self.local.is_some() && self.status == StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the answer is too large",
            Self::TimedOut => "the answer did not end in time",
            Self::Broken(_) => "the answer broke off",
        })
    }
}

async fn read<B>(body: B, limit: usize, by: Instant) -> Result<Bytes, BodyFault>
where
    B: Body<Error: Into<BoxError>>,
{
    match timeout_at(by, collect(pin!(body), limit)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(BodyFault::TimedOut),
    }
}

async fn collect<B>(mut body: Pin<&mut B>, limit: usize) -> Result<Bytes, BodyFault>
where
    B: Body<Error: Into<BoxError>>,
{
    use bytes::Buf;

    if body.size_hint().lower() > limit as u64 {
        return Err(BodyFault::TooLarge);
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyFault::Broken(error.into()))?;
        if let Ok(data) = frame.into_data() {
            if collected.len() + data.remaining() > limit {
                return Err(BodyFault::TooLarge);
            }
            collected.put(data);
        }
    }
    Ok(collected.freeze())
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    async fn of(status: u16, body: impl Body<Error: Into<BoxError>>) -> Answer {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Answer::read(response, &Token::new("token").unwrap(), soon()).await
    }

    fn refusal(answer: Answer) -> Refusal {
        match answer {
            Answer::Refusal(refusal) => refusal,
            Answer::Success(_) => panic!("a refusal was expected"),
        }
    }

    // AIC-17
    #[tokio::test]
    async fn an_answer_beyond_the_limit_is_a_fault_and_not_a_crash() {
        let fits = of(200, Full::new(Bytes::from(vec![b' '; MAX_ANSWER]))).await;
        assert!(matches!(fits, Answer::Success(Ok(bytes)) if bytes.len() == MAX_ANSWER));
        let known = of(200, Full::new(Bytes::from(vec![b' '; MAX_ANSWER + 1]))).await;
        assert!(matches!(known, Answer::Success(Err(BodyFault::TooLarge))));
        let chunk = || Ok::<_, BoxError>(http_body::Frame::data(Bytes::from(vec![b' '; MAX_ANSWER / 2 + 1])));
        let unknown = http_body_util::StreamBody::new(futures_util::stream::iter([chunk(), chunk()]));
        assert!(matches!(of(200, unknown).await, Answer::Success(Err(BodyFault::TooLarge))));
    }

    // quirk 23
    #[tokio::test]
    async fn no_body_hides_the_status() {
        let too_large = Full::new(Bytes::from(vec![b'x'; MAX_REFUSAL + 1]));
        assert_eq!(refusal(of(503, too_large).await).status, 503);
        let frames = [Err::<http_body::Frame<Bytes>, BoxError>("cut".into())];
        let broken = http_body_util::StreamBody::new(futures_util::stream::iter(frames));
        assert_eq!(refusal(of(524, broken).await).status, 524);
        assert_eq!(refusal(of(500, String::from("<html>")).await).status, 500);
    }

    // AIC-17
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_end_costs_its_time_and_no_more() {
        let body = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<Bytes>, BoxError>,
        >());
        assert!(matches!(of(200, body).await, Answer::Success(Err(BodyFault::TimedOut))));
    }

    #[tokio::test]
    async fn only_what_the_provider_or_this_side_refused_is_definite() {
        for (status, definite) in [(400, true), (429, true), (302, true), (408, false), (500, false), (503, false)] {
            assert_eq!(refusal(of(status, String::new()).await).is_definite(), definite, "{status}");
        }
        let code = buttress_core::ProblemCode::new("circuit_open");
        for (status, definite) in [(503, true), (504, false)] {
            let status = StatusCode::from_u16(status).unwrap();
            let problem = Problem::new(status, code, "no").retry_after(Duration::from_millis(70));
            let response = problem.into_response::<String>(None);
            let refusal = refusal(Answer::read(response, &Token::new("t").unwrap(), soon()).await);
            assert_eq!(refusal.is_definite(), definite);
            assert_eq!(refusal.delay, Some(Duration::from_millis(70)));
        }
    }
}
