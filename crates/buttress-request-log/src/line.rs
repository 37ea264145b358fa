use std::{mem, sync::Arc, thread, time::Duration};

use buttress_core::Notes;
use http::{Request, Response};
use http_body::Body;

use crate::{
    Outcome,
    draft::{Draft, contain},
    settings::{FindRoute, Settings},
};

/// The line of one request, still to be written: when the request ends, or else when this is dropped.
///
/// Nothing is left in it once it has been written. Boxed, as it goes from the future into the body, and with both through
/// every layer above.
#[derive(Debug, Default)]
pub(crate) struct Line(Option<Box<Draft>>);

/// A part of the inner service is running. If this is dropped by its panic, that is the end of the request.
pub(crate) struct Watched<'a>(&'a mut Line);

impl Line {
    /// Begins a line, and lets the parts below add to it.
    pub(crate) fn open<B>(settings: &Arc<Settings>, request: &mut Request<B>) -> Self {
        let notes = request.extensions_mut().get_or_insert_default::<Notes>().clone();
        let id = request.extensions().get().cloned();
        Self(Some(Box::new(Draft::new(settings.clone(), notes, id, request.method(), request.headers()))))
    }

    /// Asks for the route.
    // Apart, as it moves the request twice.
    #[inline(never)]
    pub(crate) fn find_route<B>(&mut self, find: &FindRoute, request: Request<B>) -> Request<B> {
        let (parts, body) = request.into_parts();
        let watched = self.watch();
        let route = find(&parts);
        watched.went_well();
        if let Some(draft) = &mut self.0 {
            draft.route = route;
        }
        Request::from_parts(parts, body)
    }

    /// Looks after a part of the inner service while it runs.
    #[inline]
    pub(crate) fn watch(&mut self) -> Watched<'_> {
        Watched(self)
    }

    /// Notes the head of the answer; if nothing follows it, that is the end.
    pub(crate) fn answer<B: Body>(&mut self, response: &Response<B>) {
        let Some(draft) = &mut self.0 else { return };
        draft.answer(response, response.body().size_hint().exact());
        if draft.ends_with_head() {
            let outcome = draft.outcome_of_head();
            self.close(outcome);
        } else if response.body().is_end_stream() {
            let outcome = draft.outcome_of_body();
            self.close(outcome);
        } else {
            draft.announce(response.headers());
        }
    }

    /// The inner service gave an error in place of an answer.
    pub(crate) fn fail(&mut self) {
        self.close(Outcome::Failed);
    }

    /// Counts bytes of the body, the last ones if so.
    pub(crate) fn send(&mut self, bytes: u64, last: bool) {
        let Some(draft) = &mut self.0 else { return };
        let now = draft.send(bytes, last);
        if last {
            let outcome = draft.outcome_of_body();
            self.close_at(outcome, now);
        }
    }

    /// The body broke.
    pub(crate) fn break_off(&mut self) {
        self.close(Outcome::BodyFailed);
    }

    /// Nobody goes on with it.
    #[inline(never)]
    fn give_up(&mut self) {
        let Some(draft) = &self.0 else { return };
        let outcome = if thread::panicking() { Outcome::Panicked } else { draft.outcome_if_left() };
        self.close(outcome);
    }

    fn close(&mut self, outcome: Outcome) {
        self.close_at(outcome, None);
    }

    /// Writes the line. Whatever panics in a subscriber, a recorder or a hook costs the line and not the answer.
    fn close_at(&mut self, outcome: Outcome, now: Option<Duration>) {
        let Some(mut draft) = self.0.take() else { return };
        contain(|| draft.finish(outcome, now));
        // It may be closed by this, of which subscribers are told.
        if let Some(span) = draft.span.take() {
            contain(|| drop(span));
        }
    }
}

impl Drop for Line {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.give_up();
        }
    }
}

impl Watched<'_> {
    /// It did not panic.
    #[inline]
    pub(crate) fn went_well(self) {
        mem::forget(self);
    }
}

impl Drop for Watched<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.close(Outcome::Panicked);
    }
}
