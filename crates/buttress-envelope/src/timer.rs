//! How long a foreign body is waited for.

#[cfg(feature = "timeout")]
mod imp {
    use std::{
        pin::Pin,
        task::{Context, Poll},
        time::Duration,
    };

    use tokio::time::{Sleep, sleep};

    /// Started by the first poll: most bodies are there at once.
    #[derive(Debug)]
    pub(crate) struct Timer {
        time: Duration,
        sleep: Option<Pin<Box<Sleep>>>,
    }

    impl Timer {
        pub(crate) fn new(time: Duration) -> Self {
            Self { time, sleep: None }
        }

        pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            self.sleep.get_or_insert_with(|| Box::pin(sleep(self.time))).as_mut().poll(cx)
        }
    }
}

#[cfg(not(feature = "timeout"))]
mod imp {
    use std::{
        task::{Context, Poll},
        time::Duration,
    };

    /// Without a clock, what is not there at once is not waited for.
    #[derive(Debug)]
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn new(_: Duration) -> Self {
            Self
        }

        pub(crate) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
}

pub(crate) use imp::Timer;
