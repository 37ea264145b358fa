//! The event channel of a job, as a stream of hints that never fails and never lies for long.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use buttress_provider::{Hint, JobId};
use buttress_sse::{EventSource, EventSourceError, Signal};
use futures_core::Stream;
use futures_util::{StreamExt, future::ready, stream::iter};
use http::{HeaderValue, Request, Response, StatusCode};
use tower_service::Service;
use tracing::debug;

use crate::{
    BoxError, EventChannel, HttpService, Operation, RequestBody,
    call::{Api, Call},
    hint::hint,
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
    let source = channel.map(|channel| open(&api, &id, &channel));
    iter(source).flatten().filter_map(move |signal| ready(read(signal, &id)))
}

fn open<S: HttpService>(api: &Api<S>, id: &JobId, channel: &EventChannel) -> EventSource<Lines<S>, (), S::Body> {
    let call = Call::get(Operation::Events, format!("/api/v1/events/file.{id}"));
    let request = api.request(call, HeaderValue::from_static("text/event-stream")).map(|_| ());
    EventSource::new(Lines(api.service().clone()), request)
        .reconnection_time(channel.first)
        .max_backoff(channel.cap)
        .silence(channel.silence)
        .max_line(MAX_EVENT)
        .max_event(MAX_EVENT)
        .retry_too_long()
        .retry_status(may_pass)
}

fn read(signal: Result<Signal, EventSourceError>, id: &JobId) -> Option<Hint> {
    match signal {
        Ok(Signal::Opened(_)) => {
            debug!(job_id = %id, "events_connected");
            Some(Hint::Connected)
        }
        Ok(Signal::Message(message)) => hint(message.data_bytes(), id),
        Ok(Signal::Lost(lost)) => {
            debug!(job_id = %id, wait_ms = lost.delay().as_millis(), cause = %lost.cause(), "events_lost");
            None
        }
        Ok(_) => None,
        Err(error) => {
            debug!(job_id = %id, cause = %error, "events_given_up");
            None
        }
    }
}

/// Trouble is worth another try; anything else that is no stream ends for good (SSE-25).
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS)
}

/// A service for lines: each goes to a clone of its own, and one that is not ready now may be later.
struct Lines<S>(S);

impl<S: HttpService> Service<Request<()>> for Lines<S> {
    type Response = Response<S::Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.readied().await?.carry(request.map(|()| RequestBody::empty())).await })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use http::header::CONTENT_TYPE;
    use tokio::time::Instant;

    use super::*;
    use crate::Token;

    fn response(status: u16, content_type: &'static str) -> Response<()> {
        Response::builder().status(status).header(CONTENT_TYPE, content_type).body(()).unwrap()
    }

    fn hints_of(service: impl HttpService) -> impl Stream<Item = Hint> {
        let api = Api::new("http://example.com".parse().unwrap(), Token::new("t").unwrap(), service);
        hints(api, "j".parse().unwrap(), Some(EventChannel::default()))
    }

    /// Whether another line is tried after this answer.
    async fn is_tried_again(status: u16, content_type: &'static str) -> bool {
        let service = tower::service_fn(move |_: Request<RequestBody>| {
            std::future::ready(Ok::<_, Infallible>(response(status, content_type).map(|()| String::new())))
        });
        let all = hints_of(service).for_each(|_| std::future::ready(()));
        tokio::time::timeout(Duration::from_secs(200), all).await.is_err()
    }

    // SSE-22
    #[tokio::test(start_paused = true)]
    async fn only_an_event_stream_opens() {
        for good in ["text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream;"] {
            assert!(is_tried_again(200, good).await, "{good}");
        }
        for bad in ["", "text/html", "text/event-streams", "application/json"] {
            assert!(!is_tried_again(200, bad).await, "{bad}");
        }
    }

    // SSE-23, SSE-25
    #[tokio::test(start_paused = true)]
    async fn trouble_is_tried_again_and_a_refusal_is_not() {
        for status in [408, 425, 429, 500, 502, 503, 504, 524] {
            assert!(is_tried_again(status, "text/html").await, "{status}");
        }
        for status in [204, 206, 301, 400, 401, 403, 404, 410] {
            assert!(!is_tried_again(status, "text/event-stream").await, "{status}");
        }
    }

    #[tokio::test]
    async fn without_a_channel_there_are_no_hints() {
        let service =
            tower::service_fn(|_: Request<RequestBody>| std::future::pending::<Result<Response<String>, Infallible>>());
        let api = Api::new("http://example.com".parse().unwrap(), Token::new("t").unwrap(), service);
        assert_eq!(hints(api, "j".parse().unwrap(), None).count().await, 0);
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
        let _ = tokio::time::timeout(Duration::from_secs(200), hints_of(service).for_each(|_| std::future::ready(())))
            .await;
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
        for (wait, most) in waits.iter().zip([7.2, 8.0, 9.0]) {
            assert!((7.0..most + 0.01).contains(wait), "{waits:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_told_something_is_replaced_soon() {
        let told = "data: {\"type\":\"file\",\"object\":{\"id\":\"j\"}}\n\n";
        let waits = waits(200, told).await;
        assert!(waits.len() > 100 && waits.iter().all(|wait| (1.0..1.51).contains(wait)), "{waits:?}");
    }
}
