//! How a stream ends whose producer cannot go on, or is thought to be unable to.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use buttress_sse::{Cursor, EventLog, MemoryLog, ResumeLayer, Retention, StreamKey, StreamState, Written};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};

const LEASE: Duration = Duration::from_secs(5);

/// Answers with an event, after which there is nothing or a panic; the log is read by others, too.
async fn answer(log: &MemoryLog, panics: bool) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let service = service_fn(move |_: Request<()>| async move {
        let then = stream::poll_fn(move |_| if panics { panic!("on purpose") } else { Poll::Pending });
        let said = stream::iter(["data: said\n\n"]).chain(then).map(|text| Ok(Frame::data(Bytes::from(text))));
        let answer = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(answer.body(StreamBody::new(said)).unwrap())
    });
    let layer = ResumeLayer::new(log.clone(), |_| Some(StreamKey::unscoped("a")));
    layer.layer(service).oneshot(Request::new(())).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_ends_at_once() {
    let log = MemoryLog::new(Retention::default()).unwrap();
    let body = answer(&log, true).await.into_body().collect();
    let body = timeout(Duration::from_secs(1), body).await.expect("no lease has to lapse").unwrap().to_bytes();
    assert!(std::str::from_utf8(&body).unwrap().contains("stream_interrupted"), "{body:?}");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_is_stopped_ends_its_stream() {
    let log = MemoryLog::new(Retention::default()).unwrap();
    let answer = answer(&log, false).await;
    sleep(Duration::from_secs(1)).await;
    drop(answer);
    sleep(Duration::from_secs(1)).await;
    let kept = log.read(&StreamKey::unscoped("a"), None, 9).await.unwrap().expect("the stream is known");
    assert_eq!((kept.state, kept.events.len()), (StreamState::Finished, 2));
    assert!(std::str::from_utf8(&kept.events[1]).unwrap().contains("stream_interrupted"));
}

/// A log in which the producer adds one more event just before the first who wants to end its stream.
#[derive(Clone)]
struct Raced(MemoryLog, Arc<AtomicBool>);

impl EventLog for Raced {
    type Error = Infallible;
    type Claim = <MemoryLog as EventLog>::Claim;
    type Write = <MemoryLog as EventLog>::Write;
    type Read = <MemoryLog as EventLog>::Read;
    type Tail = <MemoryLog as EventLog>::Tail;

    fn claim(&self, key: &StreamKey, start: &Cursor, lease: Duration) -> Self::Claim {
        self.0.claim(key, start, lease)
    }

    fn open(&self, key: &StreamKey, at: &Cursor) -> Self::Write {
        self.0.open(key, at)
    }

    fn append(&self, key: &StreamKey, at: &Cursor, event: Bytes) -> Self::Write {
        self.0.append(key, at, event)
    }

    fn finish(&self, key: &StreamKey, at: &Cursor, event: Option<Bytes>) -> Self::Write {
        if !self.1.swap(true, Ordering::SeqCst) {
            drop(self.0.append(key, at, "data: late\n\n".into()));
        }
        self.0.finish(key, at, event)
    }

    fn forget(&self, key: &StreamKey, at: &Cursor) -> Self::Write {
        self.0.forget(key, at)
    }

    fn read(&self, key: &StreamKey, after: Option<&Cursor>, most: usize) -> Self::Read {
        self.0.read(key, after, most)
    }

    fn tail(&self, key: &StreamKey, after: &Cursor, seen: StreamState, most: usize) -> Self::Tail {
        self.0.tail(key, after, seen, most)
    }
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_comes_back_is_read_on_and_found_out_once_more() {
    let log = Raced(MemoryLog::new(Retention::default()).unwrap(), Arc::default());
    let (key, start) = (StreamKey::unscoped("a"), Cursor::random().unwrap());
    log.claim(&key, &start, LEASE).await.unwrap();
    assert_eq!(log.append(&key, &start.at(1), "data: first\n\n".into()).await, Ok(Written::Done));
    let service = service_fn(async |_: Request<()>| -> Result<Response<Full<Bytes>>, Infallible> {
        panic!("the log has the stream")
    });
    let service = ResumeLayer::new(log, move |_| Some(key.clone())).layer(service);
    let body = service.oneshot(Request::new(())).await.unwrap().into_body();
    let second = LEASE * 2 + Duration::from_secs(1);
    let body = timeout(second, body.collect()).await.expect("it ends with its second lease").unwrap().to_bytes();
    let data: Vec<_> =
        std::str::from_utf8(&body).unwrap().lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let [first, late, error] = data[..] else { panic!("{data:?}") };
    assert_eq!((first, late), ("first", "late"));
    assert!(error.contains("stream_interrupted"));
}
