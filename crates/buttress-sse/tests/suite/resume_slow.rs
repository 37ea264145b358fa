//! A service that takes longer for its answer than the lease of a stream lasts.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_sse::{MemoryLog, ResumeLayer, Retention, StreamKey};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

use crate::common::{Seen, decode};

const SLOW: Duration = Duration::from_secs(100);

/// Status and events of readers who ask that long after each other, the first one being answered with `status`; and how
/// often the service was called.
async fn read(status: u16, asked_after: [u64; 3]) -> (Vec<(u16, Vec<Seen>)>, usize) {
    let calls = Arc::<AtomicUsize>::default();
    let counted = calls.clone();
    let service = service_fn(move |_: Request<()>| {
        let status = if counted.fetch_add(1, Ordering::SeqCst) == 0 { status } else { 200 };
        async move {
            sleep(SLOW).await;
            let answer = Response::builder().status(status).header("content-type", "text/event-stream");
            Ok::<_, Infallible>(answer.body(Full::<Bytes>::from("data: x\n\n")).unwrap())
        }
    });
    let log = MemoryLog::new(Retention::default()).unwrap();
    let service = ResumeLayer::new(log, |_| Some(StreamKey::unscoped("a"))).layer(service);
    let readers = asked_after.map(|after| {
        let service = service.clone();
        async move {
            sleep(Duration::from_secs(after)).await;
            let answer = service.oneshot(Request::new(())).await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, decode([&body[..]]).into_iter().filter(|seen| matches!(seen, Seen::Message { .. })).collect())
        }
    });
    (join_all(readers).await, calls.load(Ordering::SeqCst))
}

// SSE-60
#[tokio::test(start_paused = true)]
async fn a_service_that_takes_long_to_answer_is_called_once_and_all_get_its_stream() {
    let (readers, calls) = read(200, [0, 1, 35]).await;
    assert_eq!(calls, 1);
    for (status, events) in readers {
        let [Seen::Message { data, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((status, data.as_str()), (200, "x"));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_long_for_an_answer_that_is_no_stream_is_let_go() {
    let (readers, calls) = read(404, [0, 1, 35]).await;
    assert_eq!(calls, 1);
    assert_eq!(readers[0].0, 404);
    assert_eq!(readers[1..], [(200, vec![]), (200, vec![])], "they come back, and the next call is for one of them");
}
