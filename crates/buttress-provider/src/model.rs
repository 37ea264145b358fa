use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::{AspectRatio, MediaKind, ReferenceKind};

/// What a model makes, out of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// A picture out of words.
    TextToImage,
    /// A picture out of another one.
    ImageToImage,
    /// A video out of words.
    TextToVideo,
    /// A video out of a picture.
    ImageToVideo,
    /// A video out of another one.
    VideoToVideo,
}

impl Task {
    /// Picture or video.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::TextToImage | Self::ImageToImage => MediaKind::Image,
            Self::TextToVideo | Self::ImageToVideo | Self::VideoToVideo => MediaKind::Video,
        }
    }

    /// The name, in snake_case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TextToImage => "text_to_image",
            Self::ImageToImage => "image_to_image",
            Self::TextToVideo => "text_to_video",
            Self::ImageToVideo => "image_to_video",
            Self::VideoToVideo => "video_to_video",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a price is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PriceUnit {
    /// One picture.
    Image,
    /// One second of video.
    Second,
}

/// What a model costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Price {
    /// How much.
    pub amount: f64,
    /// Of what: an ISO 4217 code, or `credits`.
    pub currency: Cow<'static, str>,
    /// For what.
    pub per: PriceUnit,
}

impl Price {
    /// A price in the provider's own credits.
    #[must_use]
    pub fn credits(amount: f64, per: PriceUnit) -> Self {
        Self { amount, currency: "credits".into(), per }
    }
}

/// What a model takes. An empty list says nothing: any value may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Limits {
    /// Lengths on offer, in seconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub durations: Vec<u32>,
    /// Shapes on offer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aspect_ratios: Vec<AspectRatio>,
    /// Sizes on offer, as width and height in pixels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<(u32, u32)>,
    /// References without which the model cannot work.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_references: Vec<ReferenceKind>,
}

/// A model on offer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Model {
    /// The name that requests use.
    pub name: String,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Picture or video.
    pub kind: MediaKind,
    /// What it makes, out of what.
    pub task: Task,
    /// What it costs, where the provider says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What it takes.
    pub limits: Limits,
    /// Whether the provider keeps it for accounts of a higher plan.
    pub restricted: bool,
}

impl Model {
    /// A model without a price or limits, open to every account.
    #[must_use]
    pub fn new(name: impl Into<String>, task: Task) -> Self {
        Self {
            name: name.into(),
            label: None,
            kind: task.kind(),
            task,
            price: None,
            limits: Limits::default(),
            restricted: false,
        }
    }
}
