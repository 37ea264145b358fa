//! A log that takes its time and fails, as one behind a network does.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use buttress_sse::{
    Claim, Cursor, Decoder, EventLog, Excerpt, Frame, MemoryLog, ResumeLayer, Retention, StreamKey, StreamState,
    Written,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use tokio::{task::yield_now, time::timeout};
use tower::{Layer, ServiceExt};

use crate::stage::{Handler, request, say};

#[derive(Clone)]
struct Far {
    log: Arc<MemoryLog>,
    /// Operations and news so far.
    asked: Arc<AtomicUsize>,
    /// Which of them fails, and whether it is done all the same.
    fault: Option<(usize, bool)>,
}

#[derive(Debug)]
struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the log is down")
    }
}

impl std::error::Error for Down {}

type Later<T> = Pin<Box<dyn Future<Output = Result<T, Down>> + Send>>;

impl Far {
    fn new(fault: Option<(usize, bool)>) -> Self {
        let log = MemoryLog::new(Retention::default().events(5).age(Duration::from_secs(60))).unwrap();
        Self { log: Arc::new(log), asked: Arc::default(), fault }
    }

    fn ask<T: Send, F>(&self, ask: impl FnOnce(&MemoryLog) -> F + Send + 'static) -> Later<T>
    where
        F: Future<Output = Result<T, std::convert::Infallible>> + Send,
    {
        let this = self.clone();
        Box::pin(async move {
            yield_now().await;
            let number = this.asked.fetch_add(1, Ordering::SeqCst);
            match this.fault.filter(|(fails, _)| *fails == number) {
                Some((_, false)) => Err(Down),
                fault => {
                    let Ok(answer) = ask(&this.log).await;
                    yield_now().await;
                    if fault.is_some() { Err(Down) } else { Ok(answer) }
                }
            }
        })
    }
}

impl EventLog for Far {
    type Error = Down;
    type Claim = Later<Claim>;
    type Write = Later<Written>;
    type Read = Later<Option<Excerpt>>;
    type Tail = Pin<Box<dyn Stream<Item = Result<Excerpt, Down>> + Send>>;

    fn claim(&self, key: &StreamKey, start: &Cursor, lease: Duration) -> Later<Claim> {
        let (key, start) = (key.clone(), start.clone());
        self.ask(move |log| log.claim(&key, &start, lease))
    }

    fn open(&self, key: &StreamKey, at: &Cursor) -> Later<Written> {
        let (key, at) = (key.clone(), at.clone());
        self.ask(move |log| log.open(&key, &at))
    }

    fn append(&self, key: &StreamKey, at: &Cursor, event: Bytes) -> Later<Written> {
        let (key, at) = (key.clone(), at.clone());
        self.ask(move |log| log.append(&key, &at, event))
    }

    fn finish(&self, key: &StreamKey, at: &Cursor, event: Option<Bytes>) -> Later<Written> {
        let (key, at) = (key.clone(), at.clone());
        self.ask(move |log| log.finish(&key, &at, event))
    }

    fn forget(&self, key: &StreamKey, at: &Cursor) -> Later<Written> {
        let (key, at) = (key.clone(), at.clone());
        self.ask(move |log| log.forget(&key, &at))
    }

    fn read(&self, key: &StreamKey, after: Option<&Cursor>, most: usize) -> Later<Option<Excerpt>> {
        let (key, after) = (key.clone(), after.cloned());
        self.ask(move |log| log.read(&key, after.as_ref(), most))
    }

    fn tail(&self, key: &StreamKey, after: &Cursor, seen: StreamState, most: usize) -> Self::Tail {
        let (this, tail) = (self.clone(), Box::pin(self.log.tail(key, after, seen, most)));
        Box::pin(stream::unfold((this, tail), async |(this, mut tail)| {
            yield_now().await;
            let Ok(news) = tail.next().await?;
            let number = this.asked.fetch_add(1, Ordering::SeqCst);
            let fails = this.fault.is_some_and(|(fails, _)| fails == number);
            Some((if fails { Err(Down) } else { Ok(news) }, (this, tail)))
        }))
    }
}

#[cfg(feature = "conformance")]
#[tokio::test(start_paused = true)]
async fn a_log_of_real_futures_can_obey_the_law() {
    let terms =
        buttress_sse::conformance::Terms { events: 5, age: Duration::from_secs(60), lease: Duration::from_secs(10) };
    buttress_sse::conformance::check(&Far::new(None), terms, async |time| tokio::time::advance(time).await).await;
}

/// What a client has got when all is over, and how many operations and faults there were.
async fn story(fault: Option<(usize, bool)>) -> (Vec<String>, usize, usize) {
    let (far, handler, faults) = (Far::new(fault), Handler::default(), Arc::new(AtomicUsize::new(0)));
    let count = faults.clone();
    let layer = ResumeLayer::new(far.clone(), |request| Some(StreamKey::scoped("alice", request.uri.path())));
    let service = layer.on_log_error(move |_| _ = count.fetch_add(1, Ordering::SeqCst)).layer(handler.clone());
    let (mut decoder, mut seen, mut said) = (Decoder::new(), Vec::new(), 0);
    for _ in 0..50 {
        decoder.restart();
        let id = decoder.last_event_id().to_owned();
        let answer = service.clone().oneshot(request("alice", Some(&*id).filter(|id| !id.is_empty()))).await.unwrap();
        // Not 503, at which a browser stops for good (SSE-57).
        assert!(matches!(answer.status().as_u16(), 200 | 204), "{:?}", answer.status());
        if answer.status() == 204 {
            break;
        }
        let mut body = Box::pin(answer.into_body());
        loop {
            // Whoever the producer is, it says one word at a time.
            let pen = handler.pens.lock().unwrap().last().cloned();
            match pen {
                Some(pen) if said < 4 => {
                    said += 1;
                    say(&pen, &format!("data: {said}\n\n"));
                }
                Some(_) if said == 4 => {
                    said += 1;
                    handler.pens.lock().unwrap().clear();
                }
                _ => {}
            }
            let Ok(Some(frame)) = timeout(Duration::from_secs(1), body.frame()).await else { break };
            let mut data = frame.unwrap().into_data().unwrap();
            while let Some(frame) = decoder.decode(&mut data).unwrap() {
                if let Frame::Message(message) = frame {
                    seen.push(message.data().to_owned());
                }
            }
        }
    }
    assert_eq!(handler.calls.load(Ordering::SeqCst), 1, "one producer whatever fails");
    (seen, far.asked.load(Ordering::SeqCst), faults.load(Ordering::SeqCst))
}

// SSE-46, SSE-57, SSE-60
#[tokio::test(start_paused = true)]
async fn whatever_fails_in_the_log_each_event_comes_once_and_in_order() {
    let (seen, asked, faults) = story(None).await;
    assert_eq!((seen, faults), (["1", "2", "3", "4"].map(String::from).to_vec(), 0));
    assert!(asked > 8);
    for number in 0..asked {
        for done in [false, true] {
            let (seen, _, faults) = story(Some((number, done))).await;
            assert_eq!(seen, ["1", "2", "3", "4"], "operation {number}, done: {done}");
            assert!(faults <= 1);
        }
    }
}
