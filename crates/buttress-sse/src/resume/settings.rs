use std::{error::Error, sync::Arc, time::Duration};

use http::request::Parts;
use tokio::task::JoinSet;

use crate::{
    Drain, Heartbeat, StreamKey,
    heartbeat::Make,
    resume::audience::Audiences,
    sync::{Mutex, lock},
};

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
    pub(crate) drain: Drain,
    tasks: Mutex<JoinSet<()>>,
}

impl<L> Shared<L> {
    pub(crate) fn new(log: L) -> Self {
        let (audiences, drain, tasks) = Default::default();
        Self { log: Arc::new(log), audiences, drain, tasks }
    }

    /// Starts a task that is aborted with the last holder of this.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}
