use std::mem;

use buttress_core::CorrelationId;
use http::{HeaderName, Response};
use tracing::Span;

use crate::{
    current::{Current, Entered},
    settings::Settings,
    unanswered::{Cause, Hook, Unanswered},
};

/// One request on its way: what its code runs under, and what is owed to its caller.
#[derive(Debug)]
pub(crate) struct Call {
    /// `None` only while its code runs: then it is where [`current`](crate::current) looks.
    current: Option<Current>,
    span: Span,
    header: HeaderName,
    hook: Option<Hook>,
    /// Whether the end has been told.
    told: bool,
}

impl Call {
    pub(crate) fn new(current: Current, outer: Option<&CorrelationId>, settings: &Settings) -> Self {
        let span = if settings.span { span(&current, outer) } else { Span::none() };
        let (header, hook) = (settings.header.clone(), settings.hook.clone());
        Self { current: Some(current), span, header, hook, told: false }
    }

    pub(crate) fn id(&self) -> &CorrelationId {
        &self.current.as_ref().expect("it is here while its code does not run").id
    }

    /// Runs code of the request. A panic is told, then goes on.
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let mut watch = Watch { call: self, returned: false };
        let result = {
            let Call { current, span, .. } = &mut *watch.call;
            let _entered = Entered::new(current);
            let _span = span.enter();
            work()
        };
        watch.returned = true;
        result
    }

    /// Puts the id on the answer, in place of what is there (COR-9).
    pub(crate) fn answer<B>(&mut self, response: &mut Response<B>) {
        self.told = true;
        response.headers_mut().insert(self.header.clone(), self.id().to_header_value());
    }

    /// Tells, once, that there is no answer.
    pub(crate) fn tell(&mut self, cause: Cause) {
        if mem::replace(&mut self.told, true) {
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
struct Watch<'a> {
    call: &'a mut Call,
    returned: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.returned {
            self.call.tell(Cause::Panicked);
        }
    }
}

fn span(current: &Current, outer: Option<&CorrelationId>) -> Span {
    let span = tracing::info_span!(
        "request",
        correlation_id = current.id.as_str(),
        trace_id = %current.trace.parent().trace_id(),
        outer_correlation_id = tracing::field::Empty,
    );
    if let Some(outer) = outer {
        span.record("outer_correlation_id", outer.as_str());
    }
    span
}
