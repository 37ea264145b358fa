use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use buttress_core::CorrelationId;
use pin_project_lite::pin_project;

use crate::{
    current::{Carried, Current, Entered, with_current},
    trace_context::TraceContext,
};

/// Runs work that no request asked for under an id: a nightly job, a message from a queue.
///
/// Trace and baggage are those of the surrounding scope, or a new trace and nothing. See [`Scope::with_trace`] for one that came along.
///
/// # Cancel safety
///
/// As safe as `work`, which is dropped within the scope.
pub fn scope<F>(id: CorrelationId, work: F) -> Scope<F> {
    let carried = with_current(|current| {
        current.trace();
        current.carried.clone()
    });
    Scope { work: Some(work), current: Some(Current { id, carried: carried.flatten() }) }
}

/// Carries the current id and trace into tasks (COR-13).
///
/// Implemented for all futures, and for nothing else.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use buttress_correlation_id::{CorrelationExt, current, scope};
///
/// let id = "order-42".parse().expect("letters, digits and -");
/// scope(id, async {
///     let bare = tokio::spawn(async { current() });
///     let carried = tokio::spawn(async { current() }.in_current_correlation());
///     assert_eq!(bare.await.expect("it does not panic"), None);
///     assert_eq!(carried.await.expect("it does not panic"), current());
/// })
/// .await;
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait CorrelationExt: Future + Sized {
    /// Runs this future, wherever it is polled and dropped, under the id and the trace that are current now.
    ///
    /// Where nothing is current it runs as if this had not been called.
    fn in_current_correlation(self) -> Scope<Self> {
        let current = with_current(|current| {
            // Begun now, if need be, so that both sides know the same trace.
            current.trace();
            current.clone()
        });
        Scope { work: Some(self), current }
    }
}

impl<F: Future> CorrelationExt for F {}

pin_project! {
    /// A future under an id and a trace: see [`scope`] and [`CorrelationExt`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scope<F> {
        // `None` once it has ended or been dropped.
        #[pin]
        work: Option<F>,
        current: Option<Current>,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = Entered::new(this.current);
            this.work.set(None);
        }
    }
}

impl<F> Scope<F> {
    /// Runs the work in this trace, one that came with a message for instance.
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        if let Some(current) = &mut self.current {
            let baggage = current.carried.take().and_then(|carried| carried.baggage);
            current.carried = Some(Box::new(Carried { trace, baggage }));
        }
        self
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = Entered::new(this.current);
        let output = ready!(this.work.as_mut().as_pin_mut().expect("polled after it was ready").poll(cx));
        // What the work leaves behind goes within the scope, too.
        this.work.set(None);
        Poll::Ready(output)
    }
}
