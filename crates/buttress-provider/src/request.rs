use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::FileId;

/// What a reference is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ReferenceKind {
    /// What to start from.
    Source,
    /// What to look like.
    Style,
    /// Where to change something.
    Mask,
    /// Whose face to show.
    Face,
    /// Whose voice to use.
    Voice,
}

impl ReferenceKind {
    /// The name, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Style => "style",
            Self::Mask => "mask",
            Self::Face => "face",
            Self::Voice => "voice",
        }
    }
}

impl fmt::Display for ReferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A file at the provider that a job works from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "a pair by its nature")]
pub struct Reference {
    /// What it is used for.
    #[serde(rename = "type")]
    pub kind: ReferenceKind,
    /// Which file.
    pub file_id: FileId,
}

/// The shape of a picture, as width to height in small whole numbers: `16:9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AspectRatio {
    width: u16,
    height: u16,
}

/// A text that is no [`AspectRatio`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an aspect ratio is two whole numbers from 1 to 100 with a colon between, like 16:9")]
pub struct InvalidAspectRatio(());

impl AspectRatio {
    /// The ratio of a width to a height, each from 1 to 100: sizes in pixels are no ratios.
    #[must_use]
    pub const fn new(width: u16, height: u16) -> Option<Self> {
        if width >= 1 && width <= 100 && height >= 1 && height <= 100 { Some(Self { width, height }) } else { None }
    }
}

impl FromStr for AspectRatio {
    type Err = InvalidAspectRatio;

    fn from_str(text: &str) -> Result<Self, InvalidAspectRatio> {
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        let parts = text.split_once(':').and_then(|(width, height)| Some((number(width)?, number(height)?)));
        parts.and_then(|(width, height)| Self::new(width, height)).ok_or(InvalidAspectRatio(()))
    }
}

impl TryFrom<String> for AspectRatio {
    type Error = InvalidAspectRatio;

    fn try_from(text: String) -> Result<Self, InvalidAspectRatio> {
        text.parse()
    }
}

impl From<AspectRatio> for String {
    fn from(ratio: AspectRatio) -> Self {
        ratio.to_string()
    }
}

impl fmt::Display for AspectRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.width, self.height)
    }
}

/// A picture to be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImageRequest {
    /// The model, by the name in the provider's list.
    pub model: String,
    /// What to show.
    pub prompt: String,
    /// What to avoid.
    pub negative_prompt: Option<String>,
    /// In pixels; the provider's choice when `None`.
    pub width: Option<u32>,
    /// In pixels; the provider's choice when `None`.
    pub height: Option<u32>,
    /// Makes the result repeatable. Up to 63 bits.
    pub seed: Option<u64>,
    /// How long to refine; the provider's choice when `None`.
    pub steps: Option<u32>,
    /// Names this operation: the same number on each of its tries, and no other operation's. Where a provider knows no
    /// idempotency keys its jobs are recognised by it; drawn at random when `None`.
    pub mark: Option<u64>,
    /// What to work from.
    pub references: Vec<Reference>,
}

impl ImageRequest {
    /// A picture of what the prompt says, everything else left to the provider.
    #[must_use]
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            prompt: prompt.into(),
            negative_prompt: None,
            width: None,
            height: None,
            seed: None,
            steps: None,
            mark: None,
            references: Vec::new(),
        }
    }
}

/// A video to be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VideoRequest {
    /// The model, by the name in the provider's list.
    pub model: String,
    /// What to show. Some models need none.
    pub prompt: String,
    /// What to avoid.
    pub negative_prompt: Option<String>,
    /// How long it plays, in whole seconds; the provider's choice when `None`.
    pub duration: Option<Duration>,
    /// Its shape; the provider's choice when `None`.
    pub aspect_ratio: Option<AspectRatio>,
    /// In pixels; the provider's choice when `None`.
    pub width: Option<u32>,
    /// In pixels; the provider's choice when `None`.
    pub height: Option<u32>,
    /// Makes the result repeatable. Up to 63 bits.
    pub seed: Option<u64>,
    /// Names this operation: the same number on each of its tries, and no other operation's. Where a provider knows no
    /// idempotency keys its jobs are recognised by it; drawn at random when `None`.
    pub mark: Option<u64>,
    /// What to work from.
    pub references: Vec<Reference>,
}

impl VideoRequest {
    /// A video of what the prompt says, everything else left to the provider.
    #[must_use]
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            prompt: prompt.into(),
            negative_prompt: None,
            duration: None,
            aspect_ratio: None,
            width: None,
            height: None,
            seed: None,
            mark: None,
            references: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_no_aspect_ratio() {
        for good in ["16:9", "1:1", "9:16", "100:1"] {
            assert_eq!(good.parse::<AspectRatio>().unwrap().to_string(), good);
        }
        for bad in ["", ":", "16", "16:", "16x9", "1280:720", "0:1", "+1:1", "1:-1", "1:1:1", "1.5:1", "99999999:1"] {
            assert!(bad.parse::<AspectRatio>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reference_with_an_unknown_member_is_refused() {
        let json = r#"{"type":"source","fileId":"f","url":"http://x"}"#;
        assert!(serde_json::from_str::<Reference>(json).is_err());
    }
}
