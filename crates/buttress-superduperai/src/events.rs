//! The event channel of a job, as a stream of hints that never fails and never lies for long.

use std::{pin::Pin, time::Duration};

use buttress_core::RetryAfter;
use buttress_provider::{Hint, JobId};
use buttress_sse::{Decoder, Frame};
use bytes::{Buf, Bytes};
use futures_core::Stream;
use futures_util::stream::unfold;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use crate::{
    EventChannel, HttpService, Operation,
    call::{Api, Call},
    hint::hint,
    settings::after,
};

/// The most that one event may have: a file with all its parameters has a few kilobytes.
const MAX_EVENT: usize = 1 << 20;

/// Hints from the job's channel, line after line. It ends when the provider has no such channel for us.
///
/// Nothing is replayed on a new line, so that each begins with [`Hint::Connected`]: look now.
pub(crate) fn hints<S: HttpService>(
    api: Api<S>,
    id: JobId,
    channel: Option<EventChannel>,
) -> impl Stream<Item = Hint> + Send {
    let listener = channel.map(|channel| Listener { api, id, wait: channel.first, channel, state: State::Start });
    unfold(listener, |listener| async move {
        let mut listener = listener?;
        let hint = listener.next().await?;
        Some((hint, Some(listener)))
    })
}

struct Listener<S: HttpService> {
    api: Api<S>,
    id: JobId,
    channel: EventChannel,
    /// Before the next line.
    wait: Duration,
    state: State<S::Body>,
}

enum State<B> {
    Start,
    Open(Box<Line<B>>),
    /// Lost, with the wait that the provider asked for.
    Lost(Duration),
}

/// Why there is no line.
enum NoLine {
    /// Ask again, not before that long.
    Later(Duration),
    /// For good.
    Never,
}

impl<S: HttpService> Listener<S> {
    async fn next(&mut self) -> Option<Hint> {
        loop {
            match &mut self.state {
                State::Open(line) => {
                    if let Some(hint) = line.next(&self.id, self.channel.silence).await {
                        return Some(hint);
                    }
                    if line.has_served(self.channel.cap) {
                        self.wait = self.channel.first;
                    }
                    self.state = State::Lost(Duration::ZERO);
                }
                State::Lost(asked) => {
                    let wait = jittered(self.wait).max(*asked);
                    self.wait = self.wait.saturating_mul(2).min(self.channel.cap);
                    debug!(job_id = %self.id, wait_ms = wait.as_millis(), "events_lost");
                    sleep(wait).await;
                    self.state = State::Start;
                }
                State::Start => match self.connect().await {
                    Ok(line) => {
                        debug!(job_id = %self.id, "events_connected");
                        self.state = State::Open(Box::new(line));
                        return Some(Hint::Connected);
                    }
                    Err(NoLine::Later(asked)) => self.state = State::Lost(asked),
                    Err(NoLine::Never) => {
                        debug!(job_id = %self.id, "events_given_up");
                        return None;
                    }
                },
            }
        }
    }

    async fn connect(&mut self) -> Result<Line<S::Body>, NoLine> {
        let call = Call::get(Operation::Events, format!("/api/v1/events/file.{}", self.id));
        let mut request = self.api.request(call, HeaderValue::from_static("text/event-stream"));
        request.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        match self.api.open(request, after(self.channel.silence)).await {
            Ok(response) => admit(response).map(Line::new),
            Err(_) => Err(NoLine::Later(Duration::ZERO)),
        }
    }
}

/// 200 with an event stream opens; trouble is worth another try; anything else ends for good (SSE-22, SSE-23, SSE-25).
fn admit<B>(response: Response<B>) -> Result<B, NoLine> {
    let status = response.status();
    if status == StatusCode::OK && is_event_stream(response.headers().get(CONTENT_TYPE)) {
        return Ok(response.into_body());
    }
    let passes = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    if !passes {
        return Err(NoLine::Never);
    }
    let asked = RetryAfter::from_headers(response.headers()).map(|after| after.delay(std::time::SystemTime::now()));
    Err(NoLine::Later(asked.unwrap_or_default()))
}

fn is_event_stream(content_type: Option<&HeaderValue>) -> bool {
    let text = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

/// A wait, up to a half longer.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + fastrand::f64() / 2.0)
}

/// One connection.
struct Line<B> {
    body: Pin<Box<B>>,
    decoder: Decoder,
    chunk: Bytes,
    since: Instant,
    told: bool,
}

impl<B> Line<B>
where
    B: http_body::Body<Data: Buf>,
{
    fn new(body: B) -> Self {
        let decoder = Decoder::new().max_line(MAX_EVENT).max_event(MAX_EVENT);
        Self { body: Box::pin(body), decoder, chunk: Bytes::new(), since: Instant::now(), told: false }
    }

    /// The next hint; `None` when the line is dead: ended, cut, silent for too long, or talking nonsense.
    async fn next(&mut self, id: &JobId, silence: Duration) -> Option<Hint> {
        loop {
            while let Some(frame) = self.decoder.decode(&mut self.chunk).ok()? {
                if let Frame::Message(message) = frame
                    && let Some(hint) = hint(message.data_bytes(), id)
                {
                    self.told = true;
                    return Some(hint);
                }
            }
            // Any byte is a sign of life, also one of a comment (SSE-28).
            let frame = timeout(silence, self.body.frame()).await.ok()??.ok()?;
            if let Ok(mut data) = frame.into_data() {
                self.chunk = data.copy_to_bytes(data.remaining());
            }
        }
    }

    /// Whether it was of use, so that the next one may be tried soon.
    fn has_served(&self, long: Duration) -> bool {
        self.told || self.since.elapsed() >= long
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
    };

    use futures_util::StreamExt;
    use http::Request;

    use super::*;
    use crate::{RequestBody, Token};

    fn response(status: u16, content_type: &'static str) -> Response<()> {
        Response::builder().status(status).header(CONTENT_TYPE, content_type).body(()).unwrap()
    }

    // SSE-22
    #[test]
    fn only_an_event_stream_opens() {
        for good in ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream;"] {
            assert!(admit(response(200, good)).is_ok(), "{good}");
        }
        for bad in ["", "text/html", "text/event-streams", "application/json"] {
            assert!(matches!(admit(response(200, bad)), Err(NoLine::Never)), "{bad}");
        }
    }

    // SSE-23, SSE-25
    #[test]
    fn trouble_is_tried_again_and_a_refusal_is_not() {
        for status in [408, 425, 429, 500, 502, 503, 504, 524] {
            assert!(matches!(admit(response(status, "text/html")), Err(NoLine::Later(_))), "{status}");
        }
        for status in [204, 206, 301, 400, 401, 403, 404, 410] {
            assert!(matches!(admit(response(status, "text/event-stream")), Err(NoLine::Never)), "{status}");
        }
    }

    #[test]
    fn the_wait_that_a_refusal_asks_for_is_kept() {
        let mut slow = response(429, "text/plain");
        slow.headers_mut().insert("retry-after", HeaderValue::from_static("7"));
        assert!(matches!(admit(slow), Err(NoLine::Later(wait)) if wait == Duration::from_secs(7)));
    }

    /// The waits, in seconds, before each of the lines after the first, when every line says `content` and ends.
    async fn waits(status: u16, content: &'static str) -> Vec<f64> {
        let opened = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&opened);
        let service = tower::service_fn(move |_: Request<RequestBody>| {
            log.lock().unwrap().push(Instant::now());
            let mut stream = response(status, "text/event-stream").map(|()| String::from(content));
            stream.headers_mut().insert("retry-after", HeaderValue::from_static("7"));
            std::future::ready(Ok::<_, Infallible>(stream))
        });
        let api = Api::new("http://example.com".parse().unwrap(), Token::new("t").unwrap(), service);
        let hints = hints(api, "j".parse().unwrap(), Some(EventChannel::default()));
        let _ = tokio::time::timeout(Duration::from_secs(200), hints.for_each(|_| std::future::ready(()))).await;
        let opened = opened.lock().unwrap();
        opened.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
    }

    // SSE-26
    #[tokio::test(start_paused = true)]
    async fn lines_that_tell_nothing_come_back_later_each_time_up_to_a_cap() {
        assert!(waits(200, "").await.len() >= 8);
        for (wait, least) in
            waits(200, ": ping\n\n").await.into_iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0])
        {
            assert!((least..=least * 1.5 + 0.01).contains(&wait), "{wait} where {least} was due");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_line_comes_back_before_the_provider_wants_it() {
        let waits = waits(503, "").await;
        assert!(waits[..3].iter().all(|wait| (7.0..7.1).contains(wait)), "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_told_something_is_replaced_soon() {
        let told = "data: {\"type\":\"file\",\"object\":{\"id\":\"j\"}}\n\n";
        let waits = waits(200, told).await;
        assert!(waits.len() > 100 && waits.iter().all(|wait| (1.0..1.51).contains(wait)), "{waits:?}");
    }
}
