use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize, Serializer};

use crate::{ArtifactId, JobId, MediaKind};

/// What a finished job made.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Artifact {
    /// Names it.
    #[serde(rename = "artifactId")]
    pub id: ArtifactId,
    /// The job that made it.
    pub job_id: JobId,
    /// Picture or video.
    pub kind: MediaKind,
    /// Where its bytes are. Providers may let the address expire: fetch it soon (AIC-9).
    pub url: String,
    /// Where a small picture of it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
    /// Its media type, `image/webp` for instance.
    pub media_type: Cow<'static, str>,
    /// In pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// In pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How long it plays.
    #[serde(rename = "durationMs", skip_serializing_if = "Option::is_none", serialize_with = "millis")]
    pub duration: Option<Duration>,
    /// What it cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

impl Artifact {
    /// An artifact of which only the necessary is known.
    #[must_use]
    pub fn new(job_id: JobId, kind: MediaKind, url: String, media_type: impl Into<Cow<'static, str>>) -> Self {
        Self {
            id: job_id.clone().into(),
            job_id,
            kind,
            url,
            thumbnail_url: None,
            media_type: media_type.into(),
            width: None,
            height: None,
            duration: None,
            cost: None,
        }
    }
}

fn millis<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    millis.serialize(serializer)
}

/// An amount of money, or of a provider's own credits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cost {
    /// How much.
    pub amount: f64,
    /// Of what: an ISO 4217 code, or `credits`.
    pub currency: Cow<'static, str>,
}

impl Cost {
    /// A number of the provider's own credits.
    #[must_use]
    pub fn credits(amount: f64) -> Self {
        Self { amount, currency: "credits".into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let artifact = Artifact::new("j".parse().unwrap(), MediaKind::Image, "http://x/y.webp".into(), "image/webp");
        assert_eq!(
            serde_json::to_string(&artifact).unwrap(),
            r#"{"artifactId":"j","jobId":"j","kind":"image","url":"http://x/y.webp","mediaType":"image/webp"}"#
        );
    }

    #[test]
    fn a_full_artifact_has_every_member_in_camel_case() {
        let mut artifact = Artifact::new("j".parse().unwrap(), MediaKind::Video, "u".into(), "video/mp4");
        artifact.thumbnail_url = Some("t".into());
        (artifact.width, artifact.height) = (Some(320), Some(180));
        artifact.duration = Some(Duration::from_millis(5_000));
        artifact.cost = Some(Cost::credits(2.0));
        let json = serde_json::to_value(&artifact).unwrap();
        assert_eq!(json["durationMs"], 5000);
        assert_eq!(json["thumbnailUrl"], "t");
        assert_eq!(json["cost"], serde_json::json!({ "amount": 2.0, "currency": "credits" }));
    }
}
