use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use buttress_envelope::{EnvelopeLayer, Route};
use http::Response;
use http_body::Body;
use tower::{Layer, Service, service_fn};

use crate::support::{JSON, Script, Step, answer, request, script};

/// The script of a failure, held by something that can be counted.
struct Held(Script, #[expect(dead_code, reason = "is counted")] Arc<()>);

impl Body for Held {
    type Data = bytes::Bytes;
    type Error = buttress_envelope::BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

/// Polls a future so often, drops it, and says how often it had to be polled to be ready.
fn polled(times: usize, status: u16, held: &Arc<()>) -> Option<usize> {
    let body = Held(script([Step::Pause, Step::Data("no"), Step::Pause, Step::Trailers]), held.clone());
    let mut before = Some(answer(status, &[JSON], body));
    before.as_mut().unwrap().extensions_mut().insert(Route::new("/looked"));
    let inner = service_fn(move |_| {
        let answer: Option<Response<Held>> = before.take();
        async {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(answer.unwrap())
        }
    });
    let mut service = EnvelopeLayer::new().look_into("/looked").layer(inner);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let mut future = Box::pin(service.call(request("GET", &[])));
    (1..=times).find(|_| future.as_mut().poll(&mut cx).is_ready())
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_dropped_at_any_poll_leaves_nothing_behind() {
    for status in [200, 404] {
        let held = Arc::new(());
        let needed = polled(100, status, &held).expect("it gets ready");
        assert_eq!(needed, 4, "one for the handler, two pauses of the body, and the last");
        for times in 0..=needed {
            assert_eq!(polled(times, status, &held).is_some(), times == needed);
            assert_eq!(Arc::strong_count(&held), 1, "{status} {times}");
        }
    }
}
