use std::{cell::RefCell, mem};

use buttress_core::CorrelationId;

use crate::{baggage::Baggage, trace_context::TraceContext};

thread_local! {
    /// What the code that runs now works for. A future brings its own along for the time of each poll.
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// What ties a piece of work to its request.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) id: CorrelationId,
    /// `None` until somebody asks for the trace: one that begins here and is seen by nobody need not begin. Boxed because
    /// this moves with every poll.
    pub(crate) carried: Option<Box<Carried>>,
}

/// What comes and goes beside the id.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    pub(crate) trace: TraceContext,
    pub(crate) baggage: Option<Baggage>,
}

impl Current {
    pub(crate) fn trace(&mut self) -> &TraceContext {
        trace_of(&mut self.carried)
    }
}

/// The trace that is carried, or one that begins now.
pub(crate) fn trace_of(carried: &mut Option<Box<Carried>>) -> &TraceContext {
    let begin = || Box::new(Carried { trace: TraceContext::begin(), baggage: None });
    &carried.get_or_insert_with(begin).trace
}

/// The id of the request that the running code works for.
///
/// Known below [`Correlation`](crate::Correlation), in calls and polls alike, within [`scope`](crate::scope), and in
/// tasks that were spawned with [`CorrelationExt::in_current_correlation`](crate::CorrelationExt).
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use buttress_correlation_id::{current, scope};
///
/// assert_eq!(current(), None);
/// let id = "nightly-report".parse().expect("letters and -");
/// let seen = scope(id, async { current().expect("within a scope").to_string() }).await;
/// assert_eq!(seen, "nightly-report");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn current() -> Option<CorrelationId> {
    with_current(|current| current.id.clone())
}

/// The trace that the running code belongs to, known wherever [`current`] is: that of the caller, or one begun here.
#[must_use]
pub fn current_trace() -> Option<TraceContext> {
    with_current(|current| current.trace().clone())
}

/// The baggage that came with the request, where [`CorrelationLayer::baggage`](crate::CorrelationLayer::baggage) is on.
#[must_use]
pub fn current_baggage() -> Option<Baggage> {
    with_current(|current| current.carried.as_ref()?.baggage.clone()).flatten()
}

/// Looks at what is current, if anything is. `look` must not run code of others.
pub(crate) fn with_current<T>(look: impl FnOnce(&mut Current) -> T) -> Option<T> {
    // A thread that ends has nothing current any more.
    CURRENT.try_with(|current| current.borrow_mut().as_mut().map(look)).ok().flatten()
}

/// Makes something current for as long as this lives. Nothing leaves what is current as it is.
pub(crate) struct Entered<'a> {
    /// While this lives: what was current before.
    slot: &'a mut Option<Current>,
    swapped: bool,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(slot: &'a mut Option<Current>) -> Self {
        let swapped = slot.is_some() && swap(slot);
        Self { slot, swapped }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.swapped {
            swap(self.slot);
        }
    }
}

/// Exchanges what is in the slot for what is current. Whether it could be done: see [`with_current`].
#[inline]
pub(crate) fn swap(slot: &mut Option<Current>) -> bool {
    CURRENT.try_with(|current| mem::swap(&mut *current.borrow_mut(), slot)).is_ok()
}
