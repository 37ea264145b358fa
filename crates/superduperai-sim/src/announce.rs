//! Which events a job's change of state makes, under which switches.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::mpsc::Receiver,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use crate::{
    EventMode, JobStatus, Lie,
    wire::{FileRead, TaskRead},
    world::World,
};

/// Changes of one job that may wait to be announced; more than a job has.
pub(crate) const BACKLOG: usize = 8;

/// A job's change of state, as it was at that moment.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) status: JobStatus,
    pub(crate) file: FileRead,
    pub(crate) task: TaskRead,
    pub(crate) at: Instant,
}

/// Publishes those of one job's changes that are to be late, in order.
pub(crate) async fn run(world: Arc<World>, mut changes: Receiver<Change>) {
    while let Some(change) = changes.recv().await {
        sleep_until(change.at + world.mode().late).await;
        publish(&world, &change);
    }
}

pub(crate) fn publish(world: &World, change: &Change) {
    let mode = world.mode();
    let project = change.task.project_id;
    if mode.only_with_project && project.is_none() {
        return;
    }
    for message in messages(&mode, change, &world.base) {
        let event = Bytes::from(format!("data: {message}\r\n\r\n"));
        world.bus.publish(&format!("file.{}", change.file.id), &event);
        if let Some(project) = project {
            world.bus.publish(&format!("project.{project}"), &event);
        }
    }
}

fn messages(mode: &EventMode, change: &Change, base: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if change.status == JobStatus::Started {
        messages.extend(mode.lies.iter().flat_map(|lie| told(*lie, change, base)));
    }
    if mode.documented {
        messages.extend(documented(change));
    } else if mode.file_first {
        messages.extend(file_first(change));
    } else {
        messages.extend(observed(change));
    }
    messages
}

fn observed(change: &Change) -> Vec<String> {
    match change.status {
        JobStatus::Started | JobStatus::Finalising => vec![task(change, change.task.status)],
        JobStatus::Completed => vec![file(&change.file)],
        JobStatus::Failed => vec![task(change, "error"), file(&change.file)],
        _ => Vec::new(),
    }
}

fn file_first(change: &Change) -> Vec<String> {
    match change.status {
        JobStatus::Completed | JobStatus::Failed => {
            vec![file(&change.file), task(change, "in_progress"), task(change, change.task.status)]
        }
        _ => Vec::new(),
    }
}

fn documented(change: &Change) -> Vec<String> {
    let id = change.file.id;
    let progress = |percent: u8| message("render_progress", json!({ "progress": percent, "file_id": id }));
    let task = |status| {
        let task = json!({ "id": change.task.id, "status": status, "file_id": id });
        message("task", task)
    };
    match change.status {
        JobStatus::Started => vec![progress(25)],
        JobStatus::Rendering => vec![progress(50)],
        JobStatus::Finalising => vec![progress(75), task("completed")],
        JobStatus::Completed => {
            let result = json!({ "file_id": id, "url": change.file.url });
            vec![message("render_result", result)]
        }
        JobStatus::Failed => vec![task("error")],
        JobStatus::Queued | JobStatus::Deleted => Vec::new(),
    }
}

fn told(lie: Lie, change: &Change, base: &str) -> Vec<String> {
    let url = Some(format!("{base}/generated/image/2025/8/8/9/NothingWasMadeHereYet0.webp"));
    let early = FileRead { url, ..change.file.clone() };
    match lie {
        Lie::EarlyFile => vec![file(&early)],
        Lie::EarlyError => vec![task(change, "error")],
        Lie::Foreign => foreign(early, &change.task),
        Lie::Unknown => vec![
            message("weather", json!({ "id": change.file.id, "outlook": "fair" })),
            message("file", change.file.id),
        ],
        Lie::Broken => {
            let mut whole = file(&early);
            whole.truncate(whole.len() / 2);
            vec![whole]
        }
    }
}

fn foreign(early: FileRead, of: &TaskRead) -> Vec<String> {
    let id = Uuid::new_v4();
    let task = TaskRead { id: Uuid::new_v4(), file_id: Some(id), status: "error", ..of.clone() };
    vec![file(&FileRead { id, ..early }), message("task", task)]
}

fn file(file: &FileRead) -> String {
    message("file", file)
}

fn task(change: &Change, status: &'static str) -> String {
    message("task", TaskRead { status, ..change.task.clone() })
}

fn message(kind: &str, object: impl Serialize) -> String {
    #[derive(Serialize)]
    struct Message<'a, T> {
        #[serde(rename = "type")]
        kind: &'a str,
        object: T,
    }
    serde_json::to_string(&Message { kind, object }).expect("events have string keys and finite numbers")
}
