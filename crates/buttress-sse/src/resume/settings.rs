use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::request::Parts;
use tokio::{
    sync::{Notify, futures::OwnedNotified},
    task::JoinSet,
};

use crate::{Heartbeat, StreamKey, heartbeat::Make, resume::audience::Audiences};

/// What was chosen once for all requests.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) key: FindKey,
    /// How long a producer goes on without readers; none for ever.
    pub(crate) grace: Option<Duration>,
    pub(crate) retry: Duration,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) reset: Option<Make>,
    pub(crate) max_event: usize,
    pub(crate) hook: Option<Hook>,
}

pub(crate) type FindKey = Arc<dyn Fn(&Parts) -> Option<StreamKey> + Send + Sync>;

pub(crate) type Hook = Arc<dyn Fn(&(dyn Error + 'static)) + Send + Sync>;

impl Settings {
    pub(crate) fn report(&self, error: &(dyn Error + 'static)) {
        if let Some(hook) = &self.hook {
            hook(error);
        }
    }
}

/// What all clones of a layer, its services and their readers have in common.
///
/// Producers do not hold it, so that they end with the last who does.
pub(crate) struct Shared<L> {
    pub(crate) log: Arc<L>,
    pub(crate) audiences: Arc<Audiences>,
    tasks: Mutex<JoinSet<()>>,
    leaving: AtomicBool,
    leave: Arc<Notify>,
}

impl<L> Shared<L> {
    pub(crate) fn new(log: L) -> Self {
        let (audiences, tasks, leave) = Default::default();
        Self { log: Arc::new(log), audiences, tasks, leaving: AtomicBool::new(false), leave }
    }

    /// Starts a task that is aborted with the last holder of this.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    pub(crate) fn drain(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.leave.notify_waiters();
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// Resolves at the next [`drain`](Self::drain), from now on.
    pub(crate) fn leave(&self) -> OwnedNotified {
        self.leave.clone().notified_owned()
    }
}
