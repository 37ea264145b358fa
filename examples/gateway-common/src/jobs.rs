use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use buttress_core::CorrelationId;
use buttress_provider::{Artifact, FileId, Job, JobId, MediaKind};
use buttress_sse::Cursor;

use crate::User;

/// The most jobs and the most uploads that are remembered.
const CAPACITY: usize = 10_000;

/// What the gateway knows of each job, and whose files are whose. Finished jobs make room for new ones, oldest first;
/// running ones never do.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    jobs: HashMap<JobId, Record>,
    finished: VecDeque<JobId>,
    reserved: usize,
    files: HashMap<FileId, (User, MediaKind)>,
    uploads: VecDeque<FileId>,
}

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) owner: User,
    pub(crate) job: Job,
    pub(crate) created_at: SystemTime,
    /// Of the request that made it.
    pub(crate) correlation_id: CorrelationId,
    pub(crate) artifact: Option<Artifact>,
    /// Of its last event, once that was told.
    pub(crate) last: Option<Cursor>,
}

impl Record {
    /// A job that was just accepted.
    pub(crate) fn new(owner: User, job: Job, correlation_id: CorrelationId) -> Self {
        Self { owner, job, created_at: SystemTime::now(), correlation_id, artifact: None, last: None }
    }
}

/// A place for a job that is about to be made: given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Jobs>);

/// What a user may refer to by an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holding {
    /// A picture or a video: an upload, or what a job made.
    Ready(MediaKind),
    /// A job that is not finished, or that failed.
    NotReady,
    /// Nothing that this user has.
    Nothing,
}

impl Jobs {
    /// Asks for a place before anything is paid for. `None` when all places are taken by running jobs.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<Place> {
        let mut inner = self.lock();
        if inner.jobs.len() + inner.reserved >= CAPACITY {
            let oldest = inner.finished.pop_front()?;
            inner.jobs.remove(&oldest);
        }
        inner.reserved += 1;
        Some(Place(Arc::clone(self)))
    }

    /// Remembers a job. `false` when a job of that id is known already, which then stays as it is.
    pub(crate) fn insert(&self, place: Place, record: Record) -> bool {
        let mut inner = self.lock();
        let new = !inner.jobs.contains_key(&record.job.id);
        if new {
            let id = record.job.id.clone();
            if record.job.status.is_terminal() {
                inner.finished.push_back(id.clone());
            }
            inner.jobs.insert(id, record);
        }
        drop(inner);
        drop(place);
        new
    }

    /// Changes a job that is known.
    pub(crate) fn update(&self, id: &JobId, change: impl FnOnce(&mut Record)) {
        let mut inner = self.lock();
        let Some(record) = inner.jobs.get_mut(id) else { return };
        let was_over = record.job.status.is_terminal();
        change(record);
        if !was_over && record.job.status.is_terminal() {
            inner.finished.push_back(id.clone());
        }
    }

    /// A job, for the user whose it is: for everybody else it does not exist.
    pub(crate) fn find(&self, user: &User, id: &JobId) -> Option<Record> {
        self.lock().jobs.get(id).filter(|record| record.owner == *user).cloned()
    }

    /// Remembers whose an upload is, and what it is. The oldest one is forgotten when there are too many.
    pub(crate) fn uploaded(&self, user: &User, file: FileId, kind: MediaKind) {
        let mut inner = self.lock();
        if inner.uploads.len() >= CAPACITY
            && let Some(oldest) = inner.uploads.pop_front()
        {
            inner.files.remove(&oldest);
        }
        inner.files.insert(file.clone(), (user.clone(), kind));
        inner.uploads.push_back(file);
    }

    /// What a user has under an id.
    pub(crate) fn holding(&self, user: &User, file: &FileId) -> Holding {
        let inner = self.lock();
        if let Some((_, kind)) = inner.files.get(file).filter(|(owner, _)| owner == user) {
            return Holding::Ready(*kind);
        }
        let id = file.as_str().parse::<JobId>().ok();
        let record = id.and_then(|id| inner.jobs.get(&id)).filter(|record| record.owner == *user);
        match record {
            None => Holding::Nothing,
            Some(record) if record.job.artifact_id.is_some() => Holding::Ready(record.job.kind),
            Some(_) => Holding::NotReady,
        }
    }

    /// A panic elsewhere does not make what is known here wrong: each change is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.lock().reserved -= 1;
    }
}

#[cfg(test)]
mod tests {
    use buttress_core::Problem;
    use buttress_provider::JobStatus;

    use super::*;
    use crate::users::Users;

    fn user(name: &str) -> Result<User, Problem> {
        let keys = [(name.to_owned(), "key".into())];
        let header = (http::header::AUTHORIZATION, http::HeaderValue::from_static("Bearer key"));
        Ok(Users::new(&keys, false, None).identify(&FromIterator::from_iter([header]))?.user)
    }

    fn record(owner: &str, id: &str) -> Record {
        let job = Job::new(id.parse().unwrap(), MediaKind::Image);
        Record::new(user(owner).unwrap(), job, "c".parse().unwrap())
    }

    fn finish(jobs: &Jobs, id: &str) {
        let id: JobId = id.parse().unwrap();
        jobs.update(&id, |record| {
            let done = record.job.clone().completed(id.clone().into());
            record.job.advance(done);
        });
    }

    #[test]
    fn a_job_exists_for_its_owner_alone() {
        let jobs = Arc::new(Jobs::default());
        assert!(jobs.insert(jobs.reserve().unwrap(), record("alice", "j")));
        let id = "j".parse().unwrap();
        assert!(jobs.find(&user("alice").unwrap(), &id).is_some());
        assert!(jobs.find(&user("bob").unwrap(), &id).is_none());
    }

    #[test]
    fn a_file_can_be_used_by_its_owner_once_it_is_ready() {
        let jobs = Arc::new(Jobs::default());
        let (alice, bob) = (user("alice").unwrap(), user("bob").unwrap());
        jobs.uploaded(&alice, "f".parse().unwrap(), MediaKind::Video);
        jobs.insert(jobs.reserve().unwrap(), record("alice", "j"));
        let (file, job) = ("f".parse().unwrap(), "j".parse().unwrap());
        assert_eq!(jobs.holding(&alice, &file), Holding::Ready(MediaKind::Video));
        assert_eq!(jobs.holding(&alice, &job), Holding::NotReady);
        finish(&jobs, "j");
        assert_eq!(jobs.holding(&alice, &job), Holding::Ready(MediaKind::Image));
        assert_eq!((jobs.holding(&bob, &file), jobs.holding(&bob, &job)), (Holding::Nothing, Holding::Nothing));
    }

    #[test]
    fn finished_jobs_make_room_and_running_ones_do_not() {
        let jobs = Arc::new(Jobs::default());
        for i in 0..CAPACITY {
            jobs.insert(jobs.reserve().unwrap(), record("alice", &format!("j{i}")));
        }
        assert!(jobs.reserve().is_none());
        finish(&jobs, "j7");
        let place = jobs.reserve().unwrap();
        assert!(jobs.find(&user("alice").unwrap(), &"j7".parse().unwrap()).is_none());
        assert!(jobs.reserve().is_none(), "the place is taken");
        drop(place);
        assert!(jobs.reserve().is_some(), "a place that was not used is free again");
    }

    #[test]
    fn a_job_that_was_over_when_it_came_makes_room_too() {
        let jobs = Arc::new(Jobs::default());
        for i in 0..CAPACITY {
            let mut record = record("alice", &format!("j{i}"));
            record.job = record.job.clone().completed("a".parse().unwrap());
            jobs.insert(jobs.reserve().unwrap(), record);
        }
        assert!(jobs.reserve().is_some());
    }

    #[test]
    fn uploads_are_bounded() {
        let jobs = Jobs::default();
        let alice = user("alice").unwrap();
        for i in 0..=CAPACITY {
            jobs.uploaded(&alice, format!("f{i}").parse().unwrap(), MediaKind::Image);
        }
        assert_eq!(jobs.holding(&alice, &"f0".parse().unwrap()), Holding::Nothing);
        assert_eq!(jobs.lock().files.len(), CAPACITY);
    }

    #[test]
    fn a_job_that_is_known_stays_as_it_is() {
        let jobs = Arc::new(Jobs::default());
        jobs.insert(jobs.reserve().unwrap(), record("alice", "j"));
        finish(&jobs, "j");
        assert!(!jobs.insert(jobs.reserve().unwrap(), record("bob", "j")));
        let found = jobs.find(&user("alice").unwrap(), &"j".parse().unwrap()).unwrap();
        assert_eq!(found.job.status, JobStatus::Completed);
    }
}
