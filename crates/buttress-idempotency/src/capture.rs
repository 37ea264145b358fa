//! Recording an answer while it goes to its caller.

mod body;

use std::{mem, pin::Pin};

use buttress_core::Problem;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header, response::Parts};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use crate::{
    IdempotencyStore, InvalidAnswer, Kept, ResponseBody, Settlement, Verdict,
    answer::{self, Rest},
    bounds::Recordable,
    budget::Share,
    chunks::Chunks,
    contain::{Panicked, contained},
    detach::{self, Detachable, GiveUp, Last},
    headers::filter_trailers,
    keeper::Keeper,
    refusal::SHOULD_RETRY,
    settling::Settling,
    telemetry::{self, Place},
};

/// Marks an answer that was recorded (IDM-6).
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Bodies up to this length have their room in the record from the beginning.
const SHORT: u64 = 4_096;

/// What is left to do when the head of an answer is there.
pub(crate) enum Ended<R, St: IdempotencyStore> {
    /// Nothing that the head has to wait for.
    Now(R),
    After(Settling<St>, R),
}

/// The head of the first answer is there: it is recorded with its body, without it, or not at all.
pub(crate) fn end<B, St>(
    response: Response<B>,
    keeper: Keeper<St>,
    place: Option<Place>,
) -> Ended<Response<ResponseBody<B, St>>, St>
where
    B: Recordable,
    St: IdempotencyStore,
{
    let (parts, body) = response.into_parts();
    let settings = &keeper.shared.settings;
    let (least, promised) = length(&parts, &body);
    let settlement = match Verdict::of(&parts, settings.effect) {
        Verdict::Release => Settlement::Release,
        Verdict::Doubt => Settlement::Doubt,
        Verdict::Keep if is_stream(&parts) || least > settings.answer_limit as u64 || !settings.has_room(least) => {
            Settlement::Complete(Kept::Nothing)
        }
        Verdict::Keep => return record(parts, body, promised, keeper, place),
    };
    Ended::After(keeper.settle(settlement), Response::from_parts(parts, ResponseBody::passed(body)))
}

fn record<B, St>(
    parts: Parts,
    body: B,
    promised: Option<u64>,
    keeper: Keeper<St>,
    place: Option<Place>,
) -> Ended<Response<ResponseBody<B, St>>, St>
where
    B: Recordable,
    St: IdempotencyStore,
{
    // What is long comes slowly: room for it is made when it is there.
    let room = promised.filter(|promised| *promised <= SHORT).unwrap_or(0) as usize;
    let fields = || keeper.shared.settings.allowed.filter(&parts.headers);
    let draft = Draft {
        head: answer::begin(parts.status, fields, room),
        problem: parts.extensions.get().cloned().map(Box::new),
        chunks: Chunks::default(),
        trailers: None,
        promised,
        share: Share::default(),
    };
    if body.is_end_stream() {
        let settling = draft.settle(&keeper);
        return Ended::After(settling, Response::from_parts(parts, ResponseBody::passed(body)));
    }
    let capture =
        Capture { keeper, place, body, draft: Some(draft), settling: None, end: None, over: false, polling: false };
    let capture = Detachable::new(Box::pin(capture), Capture::leave);
    Ended::Now(Response::from_parts(parts, ResponseBody::captured(capture)))
}

/// Event streams and other protocols are never recorded: they have no end worth waiting for.
fn is_stream(parts: &Parts) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    let content_type = parts.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let events =
        content_type.and_then(|value| value.get(..EVENTS.len())).is_some_and(|v| v.eq_ignore_ascii_case(EVENTS));
    events || parts.status.is_informational()
}

/// The least that the body has, and what was promised of it.
fn length<B: Body>(parts: &Parts, body: &B) -> (u64, Option<u64>) {
    let hint = body.size_hint();
    let said = || parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    // An encoder may have left the length of what it encodes: the body knows better.
    let promised = hint.exact().or_else(said);
    (promised.unwrap_or(hint.lower()), promised)
}

/// A recorded answer, marked as such. One that is a failure says that no retry will change it (IDM-28).
///
/// # Errors
///
/// When it cannot be read.
#[inline]
pub(crate) fn replayed<B, St>(answer: Bytes) -> Result<Response<ResponseBody<B, St>>, InvalidAnswer>
where
    B: Body,
    St: IdempotencyStore,
{
    // Filled where it is: what is large is moved but once.
    let (mut head, ()) = Response::new(()).into_parts();
    let Rest { status, trailers, problem, body } = answer::read(answer, &mut head.headers)?;
    head.status = status;
    head.headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if status.is_client_error() || status.is_server_error() {
        head.headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if let Some(problem) = problem {
        head.extensions.insert(*problem);
    }
    Ok(Response::from_parts(head, ResponseBody::told(body, trailers)))
}

/// As much of an answer as has come.
struct Draft {
    /// The beginning of the record.
    head: Vec<u8>,
    problem: Option<Box<Problem>>,
    chunks: Chunks,
    trailers: Option<Box<HeaderMap>>,
    promised: Option<u64>,
    /// Of the budget, for as long as the data is here.
    share: Share,
}

impl Draft {
    /// It has ended, and is recorded. Its room is given back when the store has it.
    fn settle<St: IdempotencyStore>(mut self, keeper: &Keeper<St>) -> Settling<St> {
        let share = mem::take(&mut self.share);
        let kept = self.kept(keeper);
        keeper.settle(Settlement::Complete(kept)).holding(share)
    }

    /// What is kept of it now that it has ended.
    fn kept<St: IdempotencyStore>(self, keeper: &Keeper<St>) -> Kept {
        if self.promised.is_some_and(|promised| promised != self.chunks.len() as u64) {
            return Kept::Nothing;
        }
        let plain = answer::finish(self.head, self.trailers.as_deref(), self.problem.as_deref(), &self.chunks);
        match &keeper.shared.settings.seal {
            None => Kept::Whole(plain.into()),
            Some(seal) => match contained("seal", || seal.seal(&keeper.key, plain)) {
                Ok(Ok(sealed)) => Kept::Whole(sealed),
                Ok(Err(error)) => {
                    telemetry::failed("seal", &*error);
                    Kept::Nothing
                }
                Err(Panicked) => Kept::Nothing,
            },
        }
    }
}

/// What a body has to say when it is polled.
pub(crate) type Polled<B> = Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>;

pin_project! {
    /// The body of an answer that is recorded.
    pub(crate) struct Capture<B, St>
    where
        B: Body,
        St: IdempotencyStore,
    {
        keeper: Keeper<St>,
        place: Option<Place>,
        #[pin]
        body: B,
        // Until it is settled.
        draft: Option<Draft>,
        settling: Option<Settling<St>>,
        // What is handed on once it is settled.
        end: Option<Polled<B>>,
        over: bool,
        // While the body is polled: left so by its panic.
        polling: bool,
    }
}

impl<B, St> Capture<B, St>
where
    B: Recordable,
    St: IdempotencyStore,
{
    pub(crate) fn leave(mut capture: Pin<Box<Self>>) {
        let this = capture.as_mut().project();
        if let Some(settling) = this.settling.take() {
            return settling.dispatch();
        }
        if this.draft.is_none() {
            return;
        }
        // What has panicked is not asked for more.
        if *this.polling {
            return drop(Last::new(capture));
        }
        let (shared, key, place) = (this.keeper.shared.clone(), this.keeper.key, this.place.take());
        detach::go_on(&shared.settings, key, place, capture, |mut capture| async move {
            while std::future::poll_fn(|cx| capture.get().poll_frame(cx)).await.is_some() {}
        });
    }
}

impl<B: Body, St: IdempotencyStore> GiveUp for Capture<B, St> {
    /// Whatever is missing of the answer, the operation is done.
    fn give_up(self: Pin<&mut Self>) {
        let this = self.project();
        match this.settling.take() {
            Some(settling) => settling.dispatch(),
            None if this.draft.take().is_some() => {
                this.keeper.settle(Settlement::Complete(Kept::Nothing)).dispatch();
            }
            None => {}
        }
    }
}
