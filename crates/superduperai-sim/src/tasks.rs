//! Background tasks with one owner: they die together, and a panic in one is not lost.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    kill: CancellationToken,
    panicked: Arc<AtomicBool>,
}

impl Tasks {
    /// Runs `task` until it ends or all tasks are killed.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let alarm = Alarm(Arc::clone(&self.panicked));
        let kill = self.kill.clone();
        self.tracker.spawn(async move {
            let _alarm = alarm;
            kill.run_until_cancelled(task).await;
        });
    }

    pub(crate) fn kill(&self) {
        self.kill.cancel();
        self.tracker.close();
    }

    /// Waits until every task is gone; [`Tasks::kill`] must have been called.
    pub(crate) async fn gone(&self) {
        self.tracker.wait().await;
    }

    pub(crate) fn panicked(&self) -> bool {
        self.panicked.load(Ordering::Acquire)
    }
}

/// Notices, when dropped, that its task is unwinding.
struct Alarm(Arc<AtomicBool>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Release);
        }
    }
}
