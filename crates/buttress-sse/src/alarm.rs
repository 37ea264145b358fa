use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;
use tokio::{
    task::coop,
    time::{Instant, Sleep, sleep_until},
};

pin_project! {
    /// Waits for a moment that is put off again and again. Where events come one by one, asking the timer each time would
    /// be most of the work: it is made at the first wait, moved only when it fires, and not asked in between.
    #[derive(Debug, Default)]
    pub(crate) struct Alarm {
        #[pin]
        sleep: Option<Sleep>,
        // Whoever waits: nearly always the same as long as a stream lasts.
        waker: Option<Waker>,
        // The timer knows the waker.
        set: bool,
    }
}

impl Alarm {
    /// Has this waker called from now on. Whether it is another than before.
    #[inline]
    pub(crate) fn hand_over(self: Pin<&mut Self>, waker: &Waker) -> bool {
        let is_other = !self.is_of(waker);
        if is_other {
            let this = self.project();
            (*this.waker, *this.set) = (Some(waker.clone()), false);
        }
        is_other
    }

    #[inline]
    fn is_of(&self, waker: &Waker) -> bool {
        self.waker.as_ref().is_some_and(|known| known.will_wake(waker))
    }

    /// Whether the timer is going to call this waker, and has not done so yet.
    #[inline]
    pub(crate) fn is_set(&self, waker: &Waker) -> bool {
        self.set && self.is_of(waker) && self.sleep.as_ref().is_some_and(|sleep| !sleep.is_elapsed())
    }

    /// Answers what time it is, once `due` has come. That is not earlier than it was the last time.
    #[inline]
    pub(crate) fn poll(mut self: Pin<&mut Self>, due: Instant, cx: &mut Context<'_>) -> Poll<Instant> {
        self.as_mut().hand_over(cx.waker());
        let mut this = self.project();
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(due)));
        }
        let Some(mut sleep) = this.sleep.as_pin_mut() else {
            return Poll::Pending;
        };
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                // A task that has done enough for now is sent away by the timer, which takes no note of its waker.
                *this.set = coop::has_budget_remaining();
                return Poll::Pending;
            }
            *this.set = false;
            let now = Instant::now();
            if now >= due {
                return Poll::Ready(now);
            }
            // It was set for an earlier moment.
            sleep.as_mut().reset(due);
        }
    }

    /// Moves a timer that has fired to what it is for next.
    #[inline]
    pub(crate) fn put_off(self: Pin<&mut Self>, due: Instant) {
        if let Some(sleep) = self.project().sleep.as_pin_mut() {
            sleep.reset(due);
        }
    }
}
