//! What the provider's workers cannot do; known only after a 200, when the job has run a while.

use crate::{
    models::Model,
    order::{ImageSpec, Order, VideoSpec, What},
};

/// Longest side of a picture that can be made.
pub(crate) const MAX_SIDE: i64 = 4096;

const SORA_RATIOS: [&str; 3] = ["1:1", "16:9", "9:16"];
// Landscape and square only: a job of 9:16 passes the first check, and fails the second.
const SORA_SIZES: [(i64, i64); 6] = [(480, 480), (854, 480), (720, 720), (1280, 720), (1080, 1080), (1920, 1080)];

/// Why this order fails in the worker, if it does.
pub(crate) fn refuses(order: &Order, model: Option<&Model>) -> Option<&'static str> {
    match &order.what {
        What::Image(spec) => image(spec, model),
        What::Video(spec) => video(order, spec, model?),
        What::Audio(_) => model.map(|_| "the model makes no sound"),
    }
}

fn image(spec: &ImageSpec, model: Option<&Model>) -> Option<&'static str> {
    let side = 1..=MAX_SIDE;
    if !side.contains(&spec.width) || !side.contains(&spec.height) {
        return Some("the size is out of range");
    }
    let makes_images = model.is_some_and(|model| model.kind.ends_with("_to_image"));
    (!makes_images).then_some("the model makes no images")
}

fn video(order: &Order, spec: &VideoSpec, model: &Model) -> Option<&'static str> {
    let has_source = order.references.iter().any(|one| one.kind == "source");
    match model.kind.as_str() {
        "text_to_video" => {}
        "image_to_video" | "video_to_video" if has_source => {}
        "image_to_video" | "video_to_video" => return Some("there is no source"),
        _ => return Some("the model makes no videos"),
    }
    if !model.offers(order.duration) {
        return Some("the model does not offer this duration");
    }
    if model.source == "azure_openai_sora" { sora(spec) } else { None }
}

fn sora(spec: &VideoSpec) -> Option<&'static str> {
    let ratio = spec.aspect_ratio.as_deref().unwrap_or_default();
    if !SORA_RATIOS.contains(&ratio) {
        return Some("the aspect ratio is not offered");
    }
    let computed = match ratio {
        "1:1" => (480, 480),
        "16:9" => (854, 480),
        _ => (270, 480),
    };
    let size = spec.width.zip(spec.height).unwrap_or(computed);
    let known = SORA_SIZES.contains(&size) && ratio != "9:16";
    (!known).then_some("the resolution is not offered")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{models, order};

    fn video_of(config: Value) -> Option<&'static str> {
        let order = order::video(&json!({ "config": config })).unwrap();
        refuses(&order, models::find(order.model.as_deref().unwrap()))
    }

    fn sora_of(ratio: Value, width: Value, height: Value) -> Option<&'static str> {
        video_of(json!({
            "generation_config_name": "azure-openai/sora",
            "aspect_ratio": ratio, "width": width, "height": height,
        }))
    }

    #[test]
    fn sora_takes_listed_ratios_at_listed_landscape_sizes() {
        assert_eq!(sora_of(json!("16:9"), json!(1920), json!(1080)), None);
        assert_eq!(sora_of(json!("1:1"), Value::Null, Value::Null), None);
        let ratio = Some("the aspect ratio is not offered");
        assert_eq!(sora_of(Value::Null, json!(1920), json!(1080)), ratio);
        assert_eq!(sora_of(json!("4:3"), json!(720), json!(720)), ratio);
        let size = Some("the resolution is not offered");
        assert_eq!(sora_of(json!("9:16"), Value::Null, Value::Null), size);
        assert_eq!(sora_of(json!("16:9"), json!(1920), json!(1088)), size);
    }

    #[test]
    fn an_animation_needs_its_source_and_an_offered_duration() {
        let reference = json!([{ "type": "source", "reference_id": "x" }]);
        let ltx = |references: &Value, seconds: u8| {
            video_of(json!({
                "generation_config_name": "comfyui/ltx",
                "references": references, "duration": seconds,
            }))
        };
        assert_eq!(ltx(&reference, 5), None);
        assert_eq!(ltx(&json!([]), 5), Some("there is no source"));
        assert_eq!(ltx(&reference, 6), Some("the model does not offer this duration"));
    }

    #[test]
    fn a_model_works_only_on_the_endpoint_of_its_kind() {
        let flux = json!({ "generation_config_name": "comfyui/flux" });
        assert_eq!(video_of(flux), Some("the model makes no videos"));
        let name = "google-cloud/veo2-text2video";
        let body = json!({ "config": { "prompt": "x", "generation_config_name": name } });
        let order = order::image(&body).unwrap();
        assert_eq!(refuses(&order, models::find(name)), Some("the model makes no images"));
    }
}
