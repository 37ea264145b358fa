//! `POST /api/v1/file/upload`

use axum::{
    RequestExt,
    extract::{Multipart, RawQuery, Request, State},
};
use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::Shared;
use crate::{
    body::Json,
    detail::Refusal,
    picture::{self, Picture},
    query,
    sniff::{self, Sniffed},
    store::Record,
    validate::{Object, Slot},
    wire::FileRead,
    world::World,
};

/// What the thumbnail of an uploaded picture measures.
const THUMBNAIL: (u32, u32) = (256, 256);

struct Target {
    project_id: Option<Uuid>,
    entity_id: Option<Uuid>,
    scene_id: Option<Uuid>,
    kind: Option<&'static str>,
}

pub(super) async fn upload(
    State(world): State<Shared>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Json<FileRead>, Refusal> {
    let target = query::read(query.as_deref(), &[], Target::read)?;
    let payload = payload(request).await?;
    let known = {
        let settings = &world.live().settings;
        let known = |ids: &[Uuid], id: Option<Uuid>| id.is_none_or(|id| ids.contains(&id));
        known(&settings.projects, target.project_id) && known(&settings.scenes, target.scene_id)
    };
    if !known {
        return Err(Refusal::conflict());
    }
    let file = keep(&world, &target, payload);
    let visible_at = world.visible_at();
    world.add(Record {
        file: file.clone(),
        project_id: target.project_id,
        entity_id: target.entity_id,
        scene_id: target.scene_id,
        visible_at,
        job: None,
    });
    Ok(Json(file))
}

fn keep(world: &World, target: &Target, payload: Bytes) -> FileRead {
    let Sniffed { kind, media_type, suffix } = sniff::sniff(&payload);
    let kind = target.kind.unwrap_or(kind);
    let mut file = FileRead::blank(Uuid::new_v4(), kind);
    if kind == "image" {
        let (width, height) = THUMBNAIL;
        let look = picture::look("upload", payload.len() as i64);
        let thumbnail = Picture { width, height, look };
        file.thumbnail_url = Some(world.library.draw("uploaded/image", thumbnail));
    }
    file.url = Some(world.library.keep(kind, suffix, media_type, payload));
    file
}

impl Target {
    fn read(query: &Object<'_>) -> Self {
        let id = |name| query.optional(name).and_then(Slot::uuid);
        let kind = query.optional("type");
        Self {
            project_id: id("project_id"),
            entity_id: id("entity_id"),
            scene_id: id("scene_id"),
            kind: kind.and_then(|slot| slot.label(&super::files::TYPES)),
        }
    }
}

/// The bytes of the part `payload`, which must be a file.
async fn payload(request: Request) -> Result<Bytes, Refusal> {
    let Ok(mut parts) = request.extract::<Multipart, _>().await else {
        return Err(missing());
    };
    while let Some(part) = parts.next_field().await.map_err(|_| malformed())? {
        if part.name() != Some("payload") {
            continue;
        }
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(|_| malformed())?;
        return if is_file { Ok(bytes) } else { Err(no_file(&bytes)) };
    }
    Err(missing())
}

fn missing() -> Refusal {
    Refusal::unprocessable(vec![json!({
        "type": "missing", "loc": ["body", "payload"], "msg": "Field required", "input": null,
    })])
}

fn no_file(text: &Bytes) -> Refusal {
    Refusal::unprocessable(vec![json!({
        "type": "value_error", "loc": ["body", "payload"],
        "msg": "Value error, Expected UploadFile, received: <class 'str'>",
        "input": String::from_utf8_lossy(text), "ctx": { "error": {} },
    })])
}

fn malformed() -> Refusal {
    Refusal::new(http::StatusCode::BAD_REQUEST, "There was an error parsing the body")
}
