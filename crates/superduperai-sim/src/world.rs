//! Everything the simulator knows, shared by its connections and jobs.
//!
//! Each part has a lock of its own, held for moments and never across a wait. Who holds the files' lock may take
//! any other; who holds another takes none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{sync::mpsc::Sender, time::Instant};
use uuid::Uuid;

use crate::{
    EventMode, JobStatus, Settings,
    announce::{self, Change},
    bus::Bus,
    jobs::Reports,
    media::Library,
    request_log::RequestLog,
    script::Faults,
    store::{Files, Record},
    tasks::Tasks,
};

#[derive(Debug)]
pub(crate) struct World {
    /// Where it listens, as urls begin.
    pub(crate) base: String,
    pub(crate) tasks: Tasks,
    pub(crate) bus: Arc<Bus>,
    pub(crate) library: Library,
    live: Mutex<Live>,
    files: Mutex<Files>,
    reports: Mutex<Reports>,
    faults: Mutex<Faults>,
    log: Mutex<RequestLog>,
}

/// What can change at any time.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) settings: Settings,
    /// How many of the next jobs fail.
    pub(crate) doomed: usize,
    pub(crate) conflict: Conflict,
}

/// The one conflict that a new seed cures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conflict {
    #[default]
    None,
    /// The next request conflicts.
    Armed,
    /// Requests with this seed conflict.
    With(Option<i64>),
}

impl World {
    pub(crate) fn new(settings: Settings, base: String, tasks: Tasks) -> Arc<Self> {
        Arc::new(Self {
            library: Library::new(base.clone()),
            base,
            tasks,
            bus: Arc::default(),
            live: Mutex::new(Live { settings, doomed: 0, conflict: Conflict::None }),
            files: Mutex::default(),
            reports: Mutex::default(),
            faults: Mutex::default(),
            log: Mutex::default(),
        })
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, Live> {
        lock(&self.live)
    }

    pub(crate) fn mode(&self) -> EventMode {
        self.live().settings.events.clone()
    }

    /// When a file made now can be seen.
    pub(crate) fn visible_at(&self) -> Instant {
        Instant::now() + self.live().settings.visibility_delay
    }

    pub(crate) fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.files)
    }

    pub(crate) fn reports(&self) -> MutexGuard<'_, Reports> {
        lock(&self.reports)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, RequestLog> {
        lock(&self.log)
    }

    pub(crate) fn add(&self, record: Record) {
        let displaced = self.files().insert(record);
        if let Some(displaced) = displaced {
            self.lose(&displaced);
        }
    }

    pub(crate) fn remove(&self, id: Uuid) -> Option<Record> {
        let record = self.files().remove(id)?;
        self.lose(&record);
        Some(record)
    }

    /// Moves a job on, and announces it at once or leaves that for later; false if its file is gone.
    pub(crate) fn enter(&self, id: Uuid, status: JobStatus, later: &Sender<Change>) -> bool {
        let mut files = self.files();
        let Some(record) = files.get_mut(id) else { return false };
        let cost = record.enter(status, &self.library);
        // All still under the files' lock: who sees the url sees the credits gone, and its event sent.
        self.live().settings.balance -= cost;
        self.reports().set(id, status);
        let Some(change) = record.change(status) else { return false };
        if self.mode().late.is_zero() {
            announce::publish(self, &change);
            return true;
        }
        later.try_send(change).is_ok()
    }

    fn lose(&self, record: &Record) {
        self.library.forget(&record.file);
        self.reports().lose(record.file.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Conflict {
    /// Whether a request with this seed conflicts; remembers the seed that did.
    pub(crate) fn strikes(&mut self, seed: Option<i64>) -> bool {
        match *self {
            Self::None => return false,
            Self::Armed => *self = Self::With(seed),
            // Without a seed, a new one is drawn each time.
            Self::With(struck) if struck.is_none() || struck != seed => {
                *self = Self::None;
                return false;
            }
            Self::With(_) => {}
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_lasts_until_another_seed_comes() {
        let mut conflict = Conflict::Armed;
        let struck: Vec<bool> = [Some(1), Some(1), Some(2), Some(1)].map(|seed| conflict.strikes(seed)).to_vec();
        assert_eq!(struck, [true, true, false, false]);
        let mut conflict = Conflict::Armed;
        assert!(conflict.strikes(None) && !conflict.strikes(None));
    }
}
