//! `/api/v1/file`

use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::StatusCode;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Shared, user};
use crate::{
    body::{Json, json_response},
    detail::{Refusal, internal_error},
    query::{self, Paging},
    store::Record,
    validate::{Object, Problems, Slot},
    wire::{FileRead, Page},
};

pub(super) const TYPES: [&str; 8] = ["image", "video", "audio", "voiceover", "sound_effect", "music", "text", "other"];

#[derive(Debug)]
struct Filter {
    user_id: Option<Uuid>,
    project_id: Option<Uuid>,
    entity_id: Option<Uuid>,
    scene_id: Option<Uuid>,
    types: Option<Vec<&'static str>>,
}

pub(super) async fn read(State(world): State<Shared>, Path(id): Path<String>) -> Result<Json<FileRead>, Refusal> {
    let id = file_id(id)?;
    let files = world.files();
    let record = files.get(id).filter(|one| one.is_visible(Instant::now()));
    let record = record.ok_or_else(Refusal::not_found)?;
    Ok(Json(record.file.clone()))
}

pub(super) async fn delete(State(world): State<Shared>, Path(id): Path<String>) -> Result<Json<FileRead>, Refusal> {
    let record = world.remove(file_id(id)?).ok_or_else(Refusal::not_found)?;
    Ok(Json(record.file))
}

pub(super) async fn list(State(world): State<Shared>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let read = |query: &Object<'_>| (Filter::read(query), query::paging(query));
    let (filter, paging) = query::read(query.as_deref(), &["types"], read)?;
    let files = world.files();
    let visible = files.visible(Instant::now());
    let mut found: Vec<&Record> = visible.filter(|one| filter.passes(one)).collect();
    if !sort(&mut found, &paging) {
        return Ok(internal_error());
    }
    let all = found.into_iter().map(|record| &record.file);
    let page = Page::cut(all, paging.limit, paging.offset);
    Ok(json_response(StatusCode::OK, &page))
}

/// Sorts what is in order of creation; false if there is no such column.
fn sort(found: &mut [&Record], paging: &Paging) -> bool {
    match paging.order_by.as_deref().unwrap_or("created_at") {
        "created_at" => {}
        "id" => found.sort_by_key(|one| one.file.id),
        "type" => found.sort_by_key(|one| one.file.kind),
        _ => return false,
    }
    if !paging.ascending {
        found.reverse();
    }
    true
}

fn file_id(text: String) -> Result<Uuid, Refusal> {
    let problems = Problems::default();
    let path = Value::from_iter([("id", text)]);
    let slot = problems.slot("path", &path).object();
    let id = slot.and_then(|path| path.required("id")?.uuid());
    problems.settle(id)
}

impl Filter {
    fn read(query: &Object<'_>) -> Self {
        let id = |name| query.optional(name).and_then(Slot::uuid);
        let types = query.optional("types").and_then(Slot::items);
        let known = |items: Vec<Slot<'_>>| items.into_iter().filter_map(|one| one.label(&TYPES)).collect();
        Self {
            user_id: id("user_id"),
            project_id: id("project_id"),
            entity_id: id("entity_id"),
            scene_id: id("scene_id"),
            types: types.map(known),
        }
    }

    fn passes(&self, record: &Record) -> bool {
        let fits = |wanted: Option<Uuid>, has| wanted.is_none() || wanted == has;
        fits(self.user_id, Some(user::ID))
            && fits(self.project_id, record.project_id)
            && fits(self.entity_id, record.entity_id)
            && fits(self.scene_id, record.scene_id)
            && self.types.as_ref().is_none_or(|types| types.contains(&record.file.kind))
    }
}
