use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// A moment to wait for. It costs a timer only when it is waited for, and only one.
    #[derive(Debug, Default)]
    pub(crate) struct Timer {
        // None: never.
        due: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Timer {
    pub(crate) fn at(due: Option<Instant>) -> Self {
        Self { due, sleep: None }
    }

    /// Waits for another moment from now on.
    pub(crate) fn set(self: Pin<&mut Self>, due: Option<Instant>) {
        let this = self.project();
        *this.due = due;
        if let (Some(due), Some(sleep)) = (due, this.sleep.as_pin_mut()) {
            sleep.reset(due);
        }
    }

    /// Waits for a moment that is told only when there is something to wait for.
    pub(crate) fn poll_or(
        mut self: Pin<&mut Self>,
        due: impl FnOnce() -> Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.due.is_none() {
            self.as_mut().set(due());
        }
        self.poll(cx)
    }

    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(due) = *this.due else {
            return Poll::Pending;
        };
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(due)));
        }
        ready!(this.sleep.as_pin_mut().expect("a sleep was just put there").poll(cx));
        Poll::Ready(())
    }
}
