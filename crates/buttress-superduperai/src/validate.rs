//! What the provider would refuse, or accept and fail minutes later, found before the paid call (pure).

use std::{fmt::Write, time::Duration};

use buttress_core::FieldProblem;
use buttress_provider::{AspectRatio, ImageRequest, MediaKind, Model, Reference, ReferenceKind, Task, VideoRequest};

use crate::near::near;

/// The longest side that can be made.
const MAX_SIDE: u32 = 2_500;
const MAX_STEPS: u32 = 150;
/// How long a video plays when nobody says.
const USUAL_DURATION: u32 = 5;

/// Everything that is wrong with the request, and the model that it is for.
pub(crate) fn image<'a>(request: &ImageRequest, models: &'a [Model]) -> Result<&'a Model, Vec<FieldProblem>> {
    let ImageRequest { model, prompt, negative_prompt: _, width, height, seed, steps, references, .. } = request;
    let mut faults = Faults::default();
    let model = faults.model(model, MediaKind::Image, models);
    faults.when(is_blank(prompt), "prompt", "is empty");
    faults.sides(*width, *height);
    faults.seed(*seed);
    let steps_fit = steps.is_none_or(|steps| (1..=MAX_STEPS).contains(&steps));
    faults.when(!steps_fit, "steps", "is from 1 to 150");
    faults.references(references, model);
    faults.settle(model)
}

/// As [`image`], for a video.
pub(crate) fn video<'a>(request: &VideoRequest, models: &'a [Model]) -> Result<&'a Model, Vec<FieldProblem>> {
    let VideoRequest {
        model, prompt, negative_prompt: _, duration, aspect_ratio, width, height, seed, references, ..
    } = request;
    let mut faults = Faults::default();
    let model = faults.model(model, MediaKind::Video, models);
    // To set a picture in motion, or a mouth, words are welcome and not needed.
    let needs_words = model.is_none_or(|model| model.task == Task::TextToVideo);
    faults.when(needs_words && is_blank(prompt), "prompt", "is empty");
    faults.duration(*duration, model);
    faults.sides(*width, *height);
    faults.shape(*aspect_ratio, (*width, *height), model);
    faults.seed(*seed);
    faults.references(references, model);
    faults.settle(model)
}

#[derive(Default)]
struct Faults(Vec<FieldProblem>);

impl Faults {
    fn when(&mut self, wrong: bool, field: &'static str, problem: &'static str) {
        if wrong {
            self.0.push(FieldProblem::new(field, problem));
        }
    }

    fn settle(self, model: Option<&Model>) -> Result<&Model, Vec<FieldProblem>> {
        match model {
            Some(model) if self.0.is_empty() => Ok(model),
            _ => Err(self.0),
        }
    }

    fn model<'a>(&mut self, name: &str, kind: MediaKind, models: &'a [Model]) -> Option<&'a Model> {
        let found = models.iter().find(|model| model.name == name);
        let problem = match found {
            Some(model) if model.kind == kind => return found,
            Some(model) => format!("makes {}s and not {kind}s", model.kind),
            None => unknown(name, kind, models),
        };
        self.0.push(FieldProblem::new("model", problem));
        None
    }

    fn sides(&mut self, width: Option<u32>, height: Option<u32>) {
        for (field, side) in [("width", width), ("height", height)] {
            let fits = side.is_none_or(|side| (1..=MAX_SIDE).contains(&side));
            self.when(!fits, field, "is from 1 to 2500 pixels");
        }
    }

    fn seed(&mut self, seed: Option<u64>) {
        let fits = seed.is_none_or(|seed| i64::try_from(seed).is_ok());
        self.when(!fits, "seed", "has at most 63 bits");
    }

    fn duration(&mut self, duration: Option<Duration>, model: Option<&Model>) {
        let whole = duration.is_none_or(|duration| duration.subsec_nanos() == 0 && !duration.is_zero());
        if !whole {
            return self.0.push(FieldProblem::new("duration", "is a number of whole seconds, at least 1"));
        }
        let offered = model.map(|model| model.limits.durations.as_slice()).unwrap_or_default();
        let seconds = duration.map_or(u64::from(USUAL_DURATION), |duration| duration.as_secs());
        if !offered.is_empty() && !offered.iter().any(|offer| u64::from(*offer) == seconds) {
            let problem = format!("is one of {} seconds for this model", list(offered));
            self.0.push(FieldProblem::new("duration", problem));
        }
    }

    /// Where only some shapes are on offer, one of them has to be named.
    fn shape(&mut self, ratio: Option<AspectRatio>, size: (Option<u32>, Option<u32>), model: Option<&Model>) {
        let Some(limits) = model.map(|model| &model.limits) else {
            return;
        };
        let ratios = &limits.aspect_ratios;
        if !ratios.is_empty() && !ratio.is_some_and(|ratio| ratios.contains(&ratio)) {
            let problem = format!("is one of {} for this model", list(ratios));
            self.0.push(FieldProblem::new("aspectRatio", problem));
        }
        let fits = match size {
            (None, None) => true,
            (Some(width), Some(height)) => limits.sizes.contains(&(width, height)),
            _ => false,
        };
        if !limits.sizes.is_empty() && !fits {
            let sizes: Vec<_> = limits.sizes.iter().map(|(width, height)| format!("{width}x{height}")).collect();
            let problem = format!("makes with the height one of {} for this model", list(&sizes));
            self.0.push(FieldProblem::new("width", problem));
        }
    }

    fn references(&mut self, references: &[Reference], model: Option<&Model>) {
        let Some(model) = model else {
            return;
        };
        let allowed = allowed(model);
        for (i, reference) in references.iter().enumerate().filter(|(_, one)| !allowed.contains(&one.kind)) {
            let problem = match allowed {
                [] => format!("{} is of no use: this model takes no references", reference.kind),
                _ => format!("{} is of no use to this model, which takes {}", reference.kind, list(allowed)),
            };
            self.0.push(FieldProblem::new(format!("references[{i}].type"), problem));
        }
        for needed in &model.limits.required_references {
            if !references.iter().any(|reference| reference.kind == *needed) {
                let problem = format!("this model needs one of type {needed}");
                self.0.push(FieldProblem::new("references", problem));
            }
        }
    }
}

/// The kinds of reference that a model can make use of.
fn allowed(model: &Model) -> &'static [ReferenceKind] {
    use ReferenceKind as Kind;
    match model.task {
        Task::TextToImage => &[Kind::Style, Kind::Face],
        Task::ImageToImage => &[Kind::Source, Kind::Mask, Kind::Style, Kind::Face],
        Task::ImageToVideo => &[Kind::Source],
        Task::VideoToVideo => &[Kind::Source, Kind::Voice],
        _ => &[],
    }
}

fn unknown(name: &str, kind: MediaKind, models: &[Model]) -> String {
    if name.is_empty() {
        return "is empty".into();
    }
    let of_kind = models.iter().filter(|model| model.kind == kind).map(|model| model.name.as_str());
    let near = near(name, of_kind);
    if near.is_empty() { "is not on offer".into() } else { format!("is not on offer; like it are {}", list(&near)) }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    let mut text = String::new();
    for (i, item) in items.iter().enumerate() {
        let separator = if i == 0 { "" } else { ", " };
        write!(text, "{separator}{item}").expect("a string takes whatever is written to it");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(task: Task, change: impl FnOnce(&mut Model)) -> Vec<Model> {
        let mut model = Model::new("m", task);
        change(&mut model);
        vec![model]
    }

    fn faults(request: &VideoRequest, models: &[Model]) -> Vec<String> {
        video(request, models).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_duration_must_be_named_where_the_usual_one_is_not_on_offer() {
        let models = of(Task::TextToVideo, |model| model.limits.durations = vec![8, 10]);
        let mut request = VideoRequest::new("m", "x");
        assert_eq!(faults(&request, &models), ["duration: is one of 8, 10 seconds for this model"]);
        request.duration = Some(Duration::from_secs(8));
        assert!(faults(&request, &models).is_empty());
    }

    #[test]
    fn a_model_without_limits_takes_any_shape_and_length() {
        let models = of(Task::TextToVideo, |_| {});
        let mut request = VideoRequest::new("m", "x");
        (request.width, request.aspect_ratio) = (Some(2_500), AspectRatio::new(21, 9));
        request.duration = Some(Duration::from_secs(3_600));
        assert!(faults(&request, &models).is_empty());
    }

    #[test]
    fn words_are_needed_where_nothing_else_says_what_to_make() {
        let needs = |task| faults(&VideoRequest::new("m", " "), &of(task, |_| {}));
        assert_eq!(needs(Task::TextToVideo), ["prompt: is empty"]);
        assert!(needs(Task::ImageToVideo).is_empty());
        assert!(needs(Task::VideoToVideo).is_empty());
    }

    #[test]
    fn an_unknown_model_is_told_with_what_is_wrong_in_any_case() {
        let mut request = VideoRequest::new("", "");
        request.seed = Some(u64::MAX);
        let expected = ["model: is empty", "prompt: is empty", "seed: has at most 63 bits"];
        assert_eq!(faults(&request, &[]), expected);
        assert_eq!(faults(&VideoRequest::new("z", "x"), &of(Task::TextToImage, |_| {})), ["model: is not on offer"]);
    }

    #[test]
    fn the_model_is_judged_by_its_kind_and_not_by_its_task() {
        let models = of(Task::ImageToImage, |_| {});
        assert!(image(&ImageRequest::new("m", "x"), &models).is_ok());
        assert_eq!(faults(&VideoRequest::new("m", "x"), &models), ["model: makes images and not videos"]);
    }

    #[test]
    fn each_task_takes_the_references_that_are_of_use_to_it() {
        use ReferenceKind as Kind;
        let takes = |task, kind| {
            let mut request = ImageRequest::new("m", "x");
            request.references = vec![Reference { kind, file_id: "f".parse().unwrap() }];
            image(&request, &of(task, |_| {})).is_ok()
        };
        for (kind, to_text, to_image) in [
            (Kind::Source, false, true),
            (Kind::Mask, false, true),
            (Kind::Style, true, true),
            (Kind::Face, true, true),
            (Kind::Voice, false, false),
        ] {
            assert_eq!(
                (takes(Task::TextToImage, kind), takes(Task::ImageToImage, kind)),
                (to_text, to_image),
                "{kind}"
            );
        }
    }
}
