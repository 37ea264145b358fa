use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use crate::{
    EventLog,
    resume::tenure::{LEASE, Tenure},
};

pin_project! {
    /// Keeps a stream whose service takes its time to answer, so that nobody else has it called again (SSE-60).
    ///
    /// To renew the lease opens the stream: from then on those who wait for it are its readers.
    pub(crate) struct Vigil<L: EventLog> {
        #[pin]
        turn: Sleep,
        #[pin]
        write: Option<L::Write>,
    }
}

impl<L: EventLog> Vigil<L> {
    pub(crate) fn new() -> Self {
        Self { turn: sleep(LEASE / 3), write: None }
    }

    pub(crate) fn poll(self: Pin<&mut Self>, tenure: &Tenure<L>, cx: &mut Context<'_>) {
        let mut this = self.project();
        loop {
            if let Some(write) = this.write.as_mut().as_pin_mut() {
                let Poll::Ready(written) = write.poll(cx) else { return };
                this.write.set(None);
                tenure.told(written);
            }
            if this.turn.as_mut().poll(cx).is_pending() {
                return;
            }
            this.turn.as_mut().reset(Instant::now() + LEASE / 3);
            this.write.set(Some(tenure.hold()));
        }
    }
}
