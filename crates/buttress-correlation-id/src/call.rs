use std::{mem, sync::Arc};

use buttress_core::CorrelationId;
use http::{Extensions, HeaderMap, Request};
use tracing::{Level, Span, level_filters::LevelFilter};

use crate::{
    current::{Current, swap, trace_of},
    generate::MakeCorrelationId,
    inbound::{self, Inbound, OuterCorrelationId},
    settings::{Ends, Settings, header_of},
    unanswered::{Cause, Unanswered},
};

/// One request on its way: what its code runs under, and what is owed to its caller.
#[derive(Debug)]
pub(crate) struct Call {
    /// `None` while its code runs, for then it is where [`current`](crate::current) looks, and once it is answered.
    current: Option<Current>,
    /// `None` where nobody listens.
    span: Option<Span>,
    ends: Option<Arc<Ends>>,
    /// Whether the end has been told.
    told: bool,
}

impl Call {
    #[inline]
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { current: None, span: None, ends: settings.ends.clone(), told: false }
    }

    /// Gives the request what it is to be known by.
    #[inline]
    pub(crate) fn receive<B>(
        &mut self,
        request: &mut Request<B>,
        settings: &Settings,
        make: &impl MakeCorrelationId,
    ) -> Inbound {
        let inbound = inbound::receive(request, settings, make, &mut self.current);
        if settings.span && anybody_listens() {
            self.span = self.current.as_mut().map(|current| span(current, request.extensions()));
        }
        inbound
    }

    pub(crate) fn id(&self) -> &CorrelationId {
        &self.current.as_ref().expect("it is here while its code does not run").id
    }

    /// Code of the request runs until this has [ended](Running::ended). A panic of it is told, then goes on.
    #[inline]
    pub(crate) fn run(&mut self) -> Running<'_> {
        let swapped = self.current.is_some() && swap(&mut self.current);
        if let Some(span) = &self.span {
            span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
        }
        Running { call: self, swapped }
    }

    /// Puts the id on the answer, in place of what is there (COR-9).
    #[inline]
    pub(crate) fn answer(&mut self, headers: &mut HeaderMap) {
        self.told = true;
        // The answer is the last to need the id.
        let Current { id, carried } = self.current.take().expect("it is here while its code does not run");
        if let Some(carried) = carried {
            drop(carried);
        }
        headers.insert(header_of(&self.ends), id.into());
    }

    /// Tells, once, that there is no answer.
    #[inline]
    pub(crate) fn tell(&mut self, cause: Cause) {
        if !self.told {
            self.tell_now(cause);
        }
    }

    #[cold]
    fn tell_now(&mut self, cause: Cause) {
        self.told = true;
        let _span = self.span.as_ref().map(Span::enter);
        let (correlation_id, outcome) = (self.id().as_str(), cause.as_str());
        match cause {
            Cause::Failed => tracing::warn!(correlation_id, outcome, "request without an answer"),
            Cause::Panicked => tracing::error!(correlation_id, outcome, "request without an answer"),
            Cause::Cancelled => tracing::info!(correlation_id, outcome, "request without an answer"),
        }
        if let Some(hook) = self.ends.as_ref().and_then(|ends| ends.hook.as_ref()) {
            hook.tell(&Unanswered { id: self.id(), cause });
        }
    }
}

/// Code of a request runs, within its scope and span. If this is dropped, by a panic of it, that is told.
///
/// A guard and not a function around the code: what a closure takes along, a whole request for one, is copied.
pub(crate) struct Running<'a> {
    call: &'a mut Call,
    swapped: bool,
}

impl Running<'_> {
    /// The code came to its end.
    #[inline(always)]
    pub(crate) fn ended(mut self) {
        self.leave();
        mem::forget(self);
    }

    #[inline(always)]
    fn leave(&mut self) {
        if let Some(span) = &self.call.span {
            span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
        }
        if self.swapped {
            swap(&mut self.call.current);
        }
    }
}

impl Drop for Running<'_> {
    #[cold]
    fn drop(&mut self) {
        self.leave();
        self.call.tell(Cause::Panicked);
    }
}

/// Whether the span could be of any use. Where it is not, its fields need not be worked out: the macro does so for the
/// feature `log` of `tracing`, which some other crate may have turned on.
#[inline]
fn anybody_listens() -> bool {
    LevelFilter::current() >= Level::INFO
}

#[inline(never)]
fn span(Current { id, carried }: &mut Current, extensions: &Extensions) -> Span {
    let span = tracing::info_span!(
        "request",
        correlation_id = id.as_str(),
        trace_id = %trace_of(carried).parent().trace_id(),
        outer_correlation_id = tracing::field::Empty,
    );
    if let Some(OuterCorrelationId(outer)) = extensions.get() {
        span.record("outer_correlation_id", outer.as_str());
    }
    span
}
