//! The files that exist, newest last, and how a job's progress shows in its file.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    JobStatus,
    announce::Change,
    media::Library,
    picture::Picture,
    wire::{FileRead, TaskRead},
};

/// Most files kept; making one more forgets the oldest.
pub(crate) const MAX_FILES: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) file: FileRead,
    pub(crate) project_id: Option<Uuid>,
    pub(crate) entity_id: Option<Uuid>,
    pub(crate) scene_id: Option<Uuid>,
    pub(crate) visible_at: Instant,
    /// None for what was uploaded.
    pub(crate) job: Option<Job>,
}

/// The work that fills a file.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) task: TaskRead,
    pub(crate) cost: f64,
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Output {
    Picture(Picture),
    Video { thumbnail: Picture, seconds: f64 },
    Audio { seconds: f64 },
}

#[derive(Debug, Default)]
pub(crate) struct Files {
    made: u64,
    records: BTreeMap<u64, Record>,
    index: HashMap<Uuid, u64>,
}

impl Files {
    /// Adds a file; hands back the one it displaced.
    pub(crate) fn insert(&mut self, record: Record) -> Option<Record> {
        self.made += 1;
        self.index.insert(record.file.id, self.made);
        self.records.insert(self.made, record);
        if self.records.len() <= MAX_FILES {
            return None;
        }
        let (_, oldest) = self.records.pop_first()?;
        self.index.remove(&oldest.file.id);
        Some(oldest)
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&Record> {
        self.records.get(self.index.get(&id)?)
    }

    pub(crate) fn get_mut(&mut self, id: Uuid) -> Option<&mut Record> {
        self.records.get_mut(self.index.get(&id)?)
    }

    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Record> {
        let made = self.index.remove(&id)?;
        self.records.remove(&made)
    }

    /// All that can be seen, in order of creation.
    pub(crate) fn visible(&self, now: Instant) -> impl Iterator<Item = &Record> {
        let records = self.records.values();
        records.filter(move |record| record.is_visible(now))
    }
}

impl Record {
    pub(crate) fn is_visible(&self, now: Instant) -> bool {
        now >= self.visible_at
    }

    /// Shows in the file what its job has come to; hands back what that costs.
    pub(crate) fn enter(&mut self, status: JobStatus, library: &Library) -> f64 {
        let Some(job) = &mut self.job else { return 0.0 };
        match status {
            JobStatus::Finalising => job.task.status = "completed",
            JobStatus::Failed => job.task.status = "error",
            _ => {}
        }
        let failed = status == JobStatus::Failed;
        // Only a failure shows the task of an image.
        if failed || !self.file.tasks.is_empty() {
            self.file.tasks = vec![job.task.clone()];
        }
        if status != JobStatus::Completed {
            return 0.0;
        }
        library.furnish(&mut self.file, job.output);
        job.cost
    }

    /// What to announce of its job; none for what was uploaded.
    pub(crate) fn change(&self, status: JobStatus) -> Option<Change> {
        let task = self.job.as_ref()?.task.clone();
        let (file, at) = (self.file.clone(), Instant::now());
        Some(Change { status, file, task, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            file: FileRead::blank(Uuid::new_v4(), "image"),
            project_id: None,
            entity_id: None,
            scene_id: None,
            visible_at: Instant::now(),
            job: None,
        }
    }

    #[test]
    fn the_oldest_file_makes_room_for_one_too_many() {
        let mut files = Files::default();
        let first = record();
        let id = first.file.id;
        assert!(files.insert(first).is_none());
        for _ in 1..MAX_FILES {
            assert!(files.insert(record()).is_none());
        }
        assert_eq!(files.insert(record()).unwrap().file.id, id);
        assert!(files.get(id).is_none());
        assert_eq!(files.records.len(), files.index.len());
    }
}
