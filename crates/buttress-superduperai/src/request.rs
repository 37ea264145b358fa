//! The bodies of create calls (pure).

use buttress_provider::{ImageRequest, MediaKind, Model, Reference, VideoRequest};
use bytes::Bytes;
use serde::Serialize;

use crate::{Operation, error::Given};

/// A job to be started: the body of the call, and what it takes to find the job again.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) kind: MediaKind,
    pub(crate) body: Bytes,
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) seed: Seed,
    pub(crate) given: Given,
}

/// What makes the result repeatable, and the job recognisable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    /// Drawn here, or told by the operation's mark: no other job has it.
    Drawn(u64),
    /// The caller's: an older job may have it too.
    Given(u64),
}

impl Seed {
    /// Seeds of the provider's own have up to fourteen digits.
    const DRAWN_BELOW: u64 = 100_000_000_000_000;

    /// The provider knows no idempotency keys: of an operation that has a mark, the seed is its mark.
    fn choose(given: Option<u64>, mark: Option<u64>) -> Self {
        let drawn =
            || mark.map_or_else(|| fastrand::u64(1..Self::DRAWN_BELOW), |mark| mark % (Self::DRAWN_BELOW - 1) + 1);
        given.map_or_else(|| Self::Drawn(drawn()), Self::Given)
    }

    fn value(self) -> u64 {
        match self {
            Self::Drawn(seed) | Self::Given(seed) => seed,
        }
    }
}

impl Order {
    pub(crate) fn image(request: ImageRequest, model: &Model) -> Self {
        let seed = Seed::choose(request.seed, request.mark);
        let config = ImageConfig {
            prompt: &request.prompt,
            negative_prompt: request.negative_prompt.as_deref(),
            width: request.width,
            height: request.height,
            steps: request.steps,
            seed: seed.value(),
            generation_config_name: &request.model,
            batch_size: 1,
            references: wire(&request.references),
        };
        let body = to_json(&Payload { config });
        let given = [
            ("negativePrompt", request.negative_prompt.is_some()),
            ("width", request.width.is_some()),
            ("height", request.height.is_some()),
            ("seed", request.seed.is_some()),
            ("steps", request.steps.is_some()),
            ("references", !request.references.is_empty()),
        ];
        let given = Given::of(model, &given);
        Self { kind: MediaKind::Image, body, model: request.model, prompt: request.prompt, seed, given }
    }

    pub(crate) fn video(request: VideoRequest, model: &Model) -> Self {
        let seed = Seed::choose(request.seed, request.mark);
        let config = VideoConfig {
            prompt: Some(request.prompt.as_str()).filter(|prompt| !prompt.is_empty()),
            negative_prompt: request.negative_prompt.as_deref(),
            seed: seed.value(),
            duration: request.duration.map(|duration| duration.as_secs()),
            width: request.width,
            height: request.height,
            aspect_ratio: request.aspect_ratio.map(String::from),
            generation_config_name: &request.model,
            references: wire(&request.references),
        };
        let body = to_json(&Payload { config });
        let given = [
            ("negativePrompt", request.negative_prompt.is_some()),
            ("duration", request.duration.is_some()),
            ("aspectRatio", request.aspect_ratio.is_some()),
            ("width", request.width.is_some()),
            ("height", request.height.is_some()),
            ("seed", request.seed.is_some()),
            ("references", !request.references.is_empty()),
        ];
        let given = Given::of(model, &given);
        Self { kind: MediaKind::Video, body, model: request.model, prompt: request.prompt, seed, given }
    }

    pub(crate) fn operation(&self) -> Operation {
        if self.kind == MediaKind::Video { Operation::CreateVideo } else { Operation::CreateImage }
    }

    pub(crate) fn path(&self) -> &'static str {
        match self.kind {
            MediaKind::Video => "/api/v1/file/generate-video",
            _ => "/api/v1/file/generate-image",
        }
    }
}

impl Given {
    fn of(model: &Model, optional: &[(&'static str, bool)]) -> Self {
        let set = optional.iter().filter(|(_, set)| *set).map(|(field, _)| *field);
        Self { fields: ["model", "prompt"].into_iter().chain(set).collect(), restricted: model.restricted }
    }
}

#[derive(Serialize)]
struct Payload<C> {
    config: C,
}

/// Flat on purpose: what is nested in `params` is dropped without a word (quirk 4).
#[derive(Serialize)]
struct ImageConfig<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u32>,
    seed: u64,
    generation_config_name: &'a str,
    /// Said, because each picture of a batch is paid for.
    batch_size: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<WireReference<'a>>,
}

#[derive(Serialize)]
struct VideoConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative_prompt: Option<&'a str>,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<String>,
    generation_config_name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<WireReference<'a>>,
}

#[derive(Serialize)]
struct WireReference<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    reference_id: &'a str,
}

impl<'a> From<&'a Reference> for WireReference<'a> {
    fn from(reference: &'a Reference) -> Self {
        let Reference { kind, file_id } = reference;
        Self { kind: kind.as_str(), reference_id: file_id.as_str() }
    }
}

fn wire(references: &[Reference]) -> Vec<WireReference<'_>> {
    references.iter().map(WireReference::from).collect()
}

fn to_json(payload: &impl Serialize) -> Bytes {
    serde_json::to_vec(payload).expect("strings and numbers always serialise").into()
}
