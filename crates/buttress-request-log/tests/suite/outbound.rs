//! Notes on the calls that a request causes.

use std::convert::Infallible;

use buttress_core::Notes;
use buttress_request_log::{NotesExt, OutboundNotes, OutboundNotesLayer};
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

/// A client that counts a retry into the notes it finds, and says whether it found any.
fn client() -> OutboundNotes<
    impl Service<Request<()>, Response = Response<bool>, Error = Infallible, Future: Send> + Clone + Send + 'static,
> {
    OutboundNotesLayer::new().layer(service_fn(async |call: Request<()>| {
        let notes = call.extensions().get::<Notes>();
        notes.inspect(|notes| notes.write(|noted| noted.retries += 1));
        Ok(Response::new(notes.is_some()))
    }))
}

#[tokio::test]
async fn outside_of_a_request_a_call_has_no_notes() {
    assert!(!client().oneshot(Request::new(())).await.unwrap().into_body());
}

#[tokio::test]
async fn each_request_has_its_own_calls_also_side_by_side_and_in_tasks() {
    let (first, second) = (Notes::default(), Notes::default());
    let calls = |times: usize| async move {
        for _ in 0..times {
            assert!(client().oneshot(Request::new(())).await.unwrap().into_body());
            tokio::task::yield_now().await;
        }
    };
    let task = tokio::spawn(calls(3).with_notes(first.clone()));
    let (done, ()) = tokio::join!(task, calls(2).with_notes(second.clone()));
    done.unwrap();
    assert_eq!([first, second].map(|notes| notes.read(|noted| noted.retries)), [3, 2]);
}

#[tokio::test]
async fn notes_of_the_calls_own_stay() {
    let (own, current) = (Notes::default(), Notes::default());
    let mut call = Request::new(());
    call.extensions_mut().insert(own.clone());
    client().oneshot(call).with_notes(current.clone()).await.unwrap();
    assert_eq!([own, current].map(|notes| notes.read(|noted| noted.retries)), [1, 0]);
}
