//! What a `generate-*` request asks for, read and checked.

use serde_json::Value;
use uuid::Uuid;

use crate::{
    detail::Refusal,
    validate::{Object, Problems, Slot},
};

/// Most files that one request may ask for.
const MAX_BATCH: i64 = 16;

const REFERENCE_TYPES: [&str; 5] = ["source", "style", "mask", "face", "voice"];
const SHOT_SIZES: [&str; 8] = [
    "Extreme Long Shot",
    "Long Shot",
    "Medium Shot",
    "Medium Close-Up",
    "Close-Up",
    "Extreme Close-Up",
    "Two-Shot",
    "Detail Shot",
];

#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) project_id: Option<Uuid>,
    pub(crate) entity_id: Option<Uuid>,
    pub(crate) scene_id: Option<Uuid>,
    pub(crate) model: Option<String>,
    pub(crate) prompt: String,
    pub(crate) negative_prompt: String,
    pub(crate) seed: Option<i64>,
    pub(crate) style: Option<String>,
    pub(crate) references: Vec<Reference>,
    pub(crate) copies: usize,
    /// Seconds; of no meaning for images.
    pub(crate) duration: f64,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) kind: &'static str,
    pub(crate) id: String,
}

#[derive(Debug)]
pub(crate) enum What {
    Image(ImageSpec),
    Video(VideoSpec),
    Audio(AudioSpec),
}

#[derive(Clone, Debug)]
pub(crate) struct ImageSpec {
    pub(crate) width: i64,
    pub(crate) height: i64,
    pub(crate) steps: i64,
    pub(crate) shot_size: Option<&'static str>,
    pub(crate) entity_ids: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct VideoSpec {
    pub(crate) width: Option<i64>,
    pub(crate) height: Option<i64>,
    pub(crate) aspect_ratio: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct AudioSpec {
    pub(crate) kind: &'static str,
    pub(crate) model: Option<String>,
    pub(crate) duration: Option<f64>,
    pub(crate) voice_name: Option<String>,
}

pub(crate) fn image(body: &Value) -> Result<Order, Refusal> {
    read(body, |order, config| {
        let prompt = config.required("prompt").and_then(Slot::text);
        let model = config.required("generation_config_name");
        let batch = config.optional("batch_size");
        let batch = batch.and_then(|slot| slot.int_within(1..=MAX_BATCH));
        let spec = image_spec(config);
        config.optional("model_type").and_then(Slot::text);
        Some(Order {
            model: Some(model.and_then(Slot::text)?),
            prompt: prompt?,
            style: config.optional("style_name").and_then(Slot::text),
            copies: batch.map_or(1, |size| usize::try_from(size).unwrap_or(1)),
            what: What::Image(spec),
            ..order
        })
    })
}

pub(crate) fn video(body: &Value) -> Result<Order, Refusal> {
    read(body, |order, config| {
        let model = config.required("generation_config_name");
        let prompt = config.optional("prompt").and_then(Slot::text);
        let duration = config.optional("duration").and_then(Slot::number);
        let spec = VideoSpec {
            width: config.optional("width").and_then(Slot::int),
            height: config.optional("height").and_then(Slot::int),
            aspect_ratio: config.optional("aspect_ratio").and_then(Slot::text),
        };
        config.optional("model_type").and_then(Slot::text);
        Some(Order {
            model: Some(model.and_then(Slot::text)?),
            prompt: prompt.unwrap_or_default(),
            duration: duration.unwrap_or(5.0),
            what: What::Video(spec),
            ..order
        })
    })
}

pub(crate) fn audio(body: &Value) -> Result<Order, Refusal> {
    read(body, |order, config| {
        let kind = config.required("type");
        let kind = kind.and_then(|slot| slot.label(&["voiceover", "sound_effect"]));
        let prompt = config.required("prompt").and_then(Slot::text);
        let text = |name| config.optional(name).and_then(Slot::text);
        let duration = config.optional("duration").and_then(Slot::number);
        let (model, voice_name) = (text("model"), text("voice_name"));
        let spec = kind.map(|kind| AudioSpec { kind, model, duration, voice_name });
        Some(Order {
            model: text("generation_config_name"),
            prompt: prompt?,
            duration: duration.unwrap_or(5.0),
            what: What::Audio(spec?),
            ..order
        })
    })
}

/// Reads what all three have in common, and lets `rest` fill in the rest.
fn read(body: &Value, rest: impl FnOnce(Order, &Object<'_>) -> Option<Order>) -> Result<Order, Refusal> {
    let problems = Problems::default();
    let order = problems.slot("body", body).object().and_then(|body| {
        let id = |name| body.optional(name).and_then(Slot::uuid);
        let (project_id, entity_id, scene_id) = (id("project_id"), id("entity_id"), id("scene_id"));
        let config = body.required("config")?.object()?;
        let text = |name| config.optional(name).and_then(Slot::text).unwrap_or_default();
        let order = Order {
            project_id,
            entity_id,
            scene_id,
            model: None,
            prompt: String::new(),
            negative_prompt: text("negative_prompt"),
            seed: config.optional("seed").and_then(Slot::int),
            style: None,
            references: references(&config),
            copies: 1,
            duration: 5.0,
            what: What::Video(VideoSpec::default()),
        };
        rest(order, &config)
    });
    problems.settle(order)
}

fn image_spec(config: &Object<'_>) -> ImageSpec {
    let int = |name, default| config.optional(name).and_then(Slot::int).unwrap_or(default);
    let shot_size = config.optional("shot_size");
    let entities = config.optional("entity_ids").and_then(Slot::items);
    ImageSpec {
        width: int("width", 1024),
        height: int("height", 1024),
        steps: int("steps", 20),
        shot_size: shot_size.and_then(|slot| slot.label(&SHOT_SIZES)),
        entity_ids: entities.into_iter().flatten().filter_map(Slot::text).collect(),
    }
}

fn references(config: &Object<'_>) -> Vec<Reference> {
    let items = config.optional("references").and_then(Slot::items);
    let reference = |slot: Slot<'_>| {
        let one = slot.object()?;
        let kind = one.required("type").and_then(|slot| slot.label(&REFERENCE_TYPES));
        let id = one.required("reference_id").and_then(Slot::text);
        Some(Reference { kind: kind?, id: id? })
    };
    items.into_iter().flatten().filter_map(reference).collect()
}
