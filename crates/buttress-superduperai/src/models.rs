//! What the provider's list says about a model, and what it leaves out (pure).

use buttress_provider::{AspectRatio, Limits, Model, Price, PriceUnit, ReferenceKind, Task};
use serde_json::Value;

use crate::wire::{ConfigRead, whole};

/// A model on offer; `None` for sounds, and for tasks of which nothing is known.
pub(crate) fn model(config: ConfigRead) -> Option<Model> {
    let task = task(&config.task)?;
    let mut model = Model::new(config.name.clone(), task);
    model.price = price(&config);
    model.limits = limits(&config, task);
    model.restricted = config.params.get("vip_required").and_then(Value::as_bool).unwrap_or(false);
    model.label = config.label;
    Some(model)
}

/// What it costs, in credits (quirk: the documents print a dollar sign for the same numbers).
pub(crate) fn price(config: &ConfigRead) -> Option<Price> {
    let amount = |name: &str| config.params.get(name).and_then(Value::as_f64).filter(|amount| *amount >= 0.0);
    let per_image = || amount("price").map(|amount| Price::credits(amount, PriceUnit::Image));
    amount("price_per_second").map(|amount| Price::credits(amount, PriceUnit::Second)).or_else(per_image)
}

fn task(name: &str) -> Option<Task> {
    let known = [Task::TextToImage, Task::ImageToImage, Task::TextToVideo, Task::ImageToVideo, Task::VideoToVideo];
    known.into_iter().find(|task| task.as_str() == name)
}

fn limits(config: &ConfigRead, task: Task) -> Limits {
    let durations = config.params.get("available_durations").and_then(Value::as_array);
    let mut limits = Limits::default();
    limits.durations = durations.into_iter().flatten().filter_map(duration).collect();
    limits.required_references = required(&config.name, task).to_vec();
    if is_sora(config) {
        limits.aspect_ratios =
            SORA_RATIOS.iter().filter_map(|(width, height)| AspectRatio::new(*width, *height)).collect();
        limits.sizes = SORA_SIZES.to_vec();
    }
    limits
}

fn duration(seconds: &Value) -> Option<u32> {
    seconds.as_f64().and_then(whole)?.try_into().ok().filter(|seconds| *seconds > 0)
}

fn required(name: &str, task: Task) -> &'static [ReferenceKind] {
    match task {
        Task::ImageToImage if name.contains("inpaint") => &[ReferenceKind::Source, ReferenceKind::Mask],
        Task::ImageToImage | Task::ImageToVideo => &[ReferenceKind::Source],
        Task::VideoToVideo => &[ReferenceKind::Source, ReferenceKind::Voice],
        _ => &[],
    }
}

fn is_sora(config: &ConfigRead) -> bool {
    config.source.as_deref() == Some("azure_openai_sora") || config.name.ends_with("/sora")
}

/// 9:16 passes the provider's first check and fails its second: no size on offer is upright.
const SORA_RATIOS: [(u16, u16); 2] = [(16, 9), (1, 1)];
const SORA_SIZES: [(u32, u32); 6] = [(480, 480), (854, 480), (720, 720), (1280, 720), (1080, 1080), (1920, 1080)];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(name: &str, task: &str, params: Value) -> Option<Model> {
        model(serde_json::from_value(json!({ "name": name, "type": task, "params": params })).unwrap())
    }

    #[test]
    fn prices_durations_and_plans_come_from_the_params() {
        let params =
            json!({ "vip_required": true, "price_per_second": 0.4, "available_durations": [5, 10.0, 0, -1, "x"] });
        let model = of("m", "text_to_video", params).unwrap();
        assert_eq!(model.price, Some(Price::credits(0.4, PriceUnit::Second)));
        assert_eq!(model.limits.durations, [5, 10]);
        assert!(model.restricted && model.limits.required_references.is_empty());

        let model = of("m", "text_to_image", json!({ "price": 1.5 })).unwrap();
        assert_eq!(model.price, Some(Price::credits(1.5, PriceUnit::Image)));
        assert!(!model.restricted && model.limits.durations.is_empty());
        assert_eq!(of("m", "text_to_image", Value::Null).unwrap().price, None);
        assert_eq!(of("m", "text_to_image", json!({ "price": -1 })).unwrap().price, None);
    }

    // AIC-14
    #[test]
    fn sounds_and_unknown_tasks_are_left_out() {
        assert_eq!(of("m", "text_to_audio", json!({})), None);
        assert_eq!(of("m", "image_to_hologram", json!({})), None);
    }

    #[test]
    fn each_task_has_the_references_it_needs() {
        use ReferenceKind as Kind;
        let needs = |name, task| of(name, task, json!({})).unwrap().limits.required_references;
        assert_eq!(needs("comfyui/ltx", "image_to_video"), [Kind::Source]);
        assert_eq!(needs("comfyui/flux/inpainting", "image_to_image"), [Kind::Source, Kind::Mask]);
        assert_eq!(needs("fal-ai/flux-pro/kontext", "image_to_image"), [Kind::Source]);
        assert_eq!(needs("comfyui/lip-sync", "video_to_video"), [Kind::Source, Kind::Voice]);
    }

    #[test]
    fn sora_takes_no_upright_shape() {
        let model = of("azure-openai/sora", "text_to_video", json!({})).unwrap();
        let ratios: Vec<_> = model.limits.aspect_ratios.iter().map(ToString::to_string).collect();
        assert_eq!(ratios, ["16:9", "1:1"]);
        assert!(model.limits.sizes.iter().all(|(width, height)| width >= height));
    }
}
