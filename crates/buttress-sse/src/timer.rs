use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// A moment that may be moved at every byte and costs a timer only when it is waited for.
    #[derive(Debug, Default)]
    pub(crate) struct Timer {
        // None: never.
        due: Option<Instant>,
        // Made at the first wait. It may be set for an earlier moment than is due.
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Timer {
    /// Fires after this long, and no longer when it was to before.
    pub(crate) fn set(self: Pin<&mut Self>, delay: Duration) {
        *self.project().due = Instant::now().checked_add(delay);
    }

    /// Fires no more.
    pub(crate) fn clear(self: Pin<&mut Self>) {
        *self.project().due = None;
    }

    /// Fires after this long, unless it has been set already.
    pub(crate) fn start(self: Pin<&mut Self>, delay: Duration) {
        if self.due.is_none() {
            self.set(delay);
        }
    }

    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(due) = *this.due else {
            return Poll::Pending;
        };
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(due)));
        }
        let Some(mut sleep) = this.sleep.as_pin_mut() else {
            return Poll::Pending;
        };
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        ready!(sleep.as_mut().poll(cx));
        if Instant::now() < due {
            sleep.as_mut().reset(due);
            ready!(sleep.poll(cx));
        }
        Poll::Ready(())
    }
}
