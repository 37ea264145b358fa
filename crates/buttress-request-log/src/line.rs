use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    thread,
};

use http::{Response, request::Parts};
use http_body::Body;

use crate::{Outcome, draft::Draft, settings::Settings};

/// The line of one request, still to be written: when the request ends, or else when this is dropped.
///
/// Nothing is left in it once it has been written.
#[derive(Debug, Default)]
pub(crate) struct Line(Option<Draft>);

impl Line {
    /// Begins a line, and lets the parts below add to it.
    pub(crate) fn open(settings: &Arc<Settings>, parts: &mut Parts) -> Self {
        let mut line = Self(Some(Draft::new(settings.clone(), parts)));
        if let Some(find) = &settings.route {
            let route = line.watch(|| find(parts));
            line.0.iter_mut().for_each(|draft| draft.route = route.clone());
        }
        line
    }

    /// Runs a part of the inner service. If that panics, the line is written and the panic goes on.
    pub(crate) fn watch<T>(&mut self, run: impl FnOnce() -> T) -> T {
        // What the panic left broken is seen by no one but who would have seen it without this layer.
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
            self.close(Outcome::Panicked);
            resume_unwind(panic)
        })
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
        if last && let (Some(now), Some(draft)) = (now, self.0.take()) {
            let outcome = draft.outcome_of_body();
            draft.finish(outcome, now);
        }
    }

    /// The body broke.
    pub(crate) fn break_off(&mut self) {
        self.close(Outcome::BodyFailed);
    }

    fn close(&mut self, outcome: Outcome) {
        if let Some(draft) = self.0.take() {
            let now = draft.elapsed();
            draft.finish(outcome, now);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let outcome = match &self.0 {
            Some(draft) if !thread::panicking() => draft.outcome_if_left(),
            _ => Outcome::Panicked,
        };
        self.close(outcome);
    }
}
