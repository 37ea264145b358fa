use std::mem;

use buttress_core::CorrelationId;
use http::{HeaderName, Response};
use tracing::Span;

use crate::{
    current::{Current, Entered, trace_of},
    settings::Settings,
    unanswered::{Cause, Hook, Unanswered},
};

/// One request on its way: what its code runs under, and what is owed to its caller.
#[derive(Debug)]
pub(crate) struct Call {
    /// `None` while its code runs, for then it is where [`current`](crate::current) looks, and once it is answered.
    current: Option<Current>,
    span: Span,
    /// `None` once the end has been told.
    header: Option<HeaderName>,
    hook: Option<Hook>,
}

impl Call {
    pub(crate) fn new(mut current: Current, outer: Option<&CorrelationId>, settings: &Settings) -> Self {
        let span = if settings.span { span(&mut current, outer) } else { Span::none() };
        Self { current: Some(current), span, header: Some(settings.header.clone()), hook: settings.hook.clone() }
    }

    pub(crate) fn id(&self) -> &CorrelationId {
        &self.current.as_ref().expect("it is here while its code does not run").id
    }

    /// Runs code of the request. A panic is told, then goes on.
    #[inline]
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let watch = Watch(self);
        let result = {
            let Call { current, span, .. } = &mut *watch.0;
            let _entered = Entered::new(current);
            let _span = span.enter();
            work()
        };
        mem::forget(watch);
        result
    }

    /// Puts the id on the answer, in place of what is there (COR-9).
    pub(crate) fn answer<B>(&mut self, response: &mut Response<B>) {
        let header = self.header.take().expect("a request has one answer");
        // The answer is the last to need the id.
        let Current { id, .. } = self.current.take().expect("it is here while its code does not run");
        response.headers_mut().insert(header, id.into());
    }

    /// Tells, once, that there is no answer.
    pub(crate) fn tell(&mut self, cause: Cause) {
        if self.header.take().is_none() {
            return;
        }
        let _span = self.span.enter();
        let (correlation_id, outcome) = (self.id().as_str(), cause.as_str());
        match cause {
            Cause::Failed => tracing::warn!(correlation_id, outcome, "request without an answer"),
            Cause::Panicked => tracing::error!(correlation_id, outcome, "request without an answer"),
            Cause::Cancelled => tracing::info!(correlation_id, outcome, "request without an answer"),
        }
        if let Some(hook) = &self.hook {
            hook.tell(&Unanswered { id: self.id(), cause });
        }
    }
}

/// Notices that code did not return.
struct Watch<'a>(&'a mut Call);

impl Drop for Watch<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.tell(Cause::Panicked);
    }
}

fn span(Current { id, carried }: &mut Current, outer: Option<&CorrelationId>) -> Span {
    let span = tracing::info_span!(
        "request",
        correlation_id = id.as_str(),
        trace_id = %trace_of(carried).parent().trace_id(),
        outer_correlation_id = tracing::field::Empty,
    );
    if let Some(outer) = outer {
        span.record("outer_correlation_id", outer.as_str());
    }
    span
}
