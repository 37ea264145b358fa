//! What the provider's answers look like; members in the order of the wire.

use serde::Serialize;
use uuid::Uuid;

use crate::models::Model;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct FileRead {
    pub(crate) id: Uuid,
    pub(crate) url: Option<String>,
    pub(crate) thumbnail_url: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) image_generation_id: Option<Uuid>,
    pub(crate) image_generation: Option<ImageRead>,
    pub(crate) video_generation_id: Option<Uuid>,
    pub(crate) video_generation: Option<VideoRead>,
    pub(crate) audio_generation_id: Option<Uuid>,
    pub(crate) audio_generation: Option<AudioRead>,
    pub(crate) duration: Option<f64>,
    pub(crate) tasks: Vec<TaskRead>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TaskRead {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) id: Uuid,
    pub(crate) file_id: Option<Uuid>,
    pub(crate) project_id: Option<Uuid>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ImageRead {
    pub(crate) prompt: String,
    pub(crate) negative_prompt: String,
    pub(crate) width: i64,
    pub(crate) height: i64,
    pub(crate) steps: i64,
    pub(crate) shot_size: Option<&'static str>,
    pub(crate) seed: i64,
    pub(crate) id: Uuid,
    pub(crate) generation_config_name: Option<String>,
    pub(crate) style_name: Option<String>,
    pub(crate) references: Vec<ReferenceRead>,
    pub(crate) entity_ids: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct VideoRead {
    pub(crate) prompt: String,
    pub(crate) negative_prompt: String,
    pub(crate) seed: i64,
    pub(crate) duration: f64,
    pub(crate) width: Option<i64>,
    pub(crate) height: Option<i64>,
    pub(crate) aspect_ratio: Option<String>,
    pub(crate) id: Uuid,
    pub(crate) generation_config_name: Option<String>,
    pub(crate) generation_config: Option<&'static Model>,
    pub(crate) references: Vec<ReferenceRead>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct AudioRead {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) prompt: String,
    pub(crate) model: Option<String>,
    pub(crate) duration: Option<f64>,
    pub(crate) id: Uuid,
    pub(crate) voice_name: Option<String>,
    pub(crate) generation_config_name: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReferenceRead {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) reference_id: Option<String>,
    pub(crate) reference: Option<ShortFile>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShortFile {
    pub(crate) id: Uuid,
    pub(crate) url: Option<String>,
    pub(crate) thumbnail_url: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
}

#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total: usize,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) next: Option<Next>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Next {
    pub(crate) offset: usize,
    pub(crate) limit: usize,
}

impl FileRead {
    /// A file of which nothing but its id and kind is known.
    pub(crate) fn blank(id: Uuid, kind: &'static str) -> Self {
        Self {
            id,
            url: None,
            thumbnail_url: None,
            kind,
            image_generation_id: None,
            image_generation: None,
            video_generation_id: None,
            video_generation: None,
            audio_generation_id: None,
            audio_generation: None,
            duration: None,
            tasks: Vec::new(),
        }
    }

    pub(crate) fn short(&self) -> ShortFile {
        ShortFile { id: self.id, url: self.url.clone(), thumbnail_url: self.thumbnail_url.clone(), kind: self.kind }
    }
}

impl<T> Page<T> {
    /// Cuts one page out of all items.
    pub(crate) fn cut(all: impl ExactSizeIterator<Item = T>, limit: usize, offset: usize) -> Self {
        let total = all.len();
        let end = offset.saturating_add(limit);
        Self {
            items: all.skip(offset).take(limit).collect(),
            total,
            limit,
            offset,
            next: (end < total).then_some(Next { offset: end, limit }),
        }
    }
}
