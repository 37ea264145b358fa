//! The provider's JSON, as leniently as can be without guessing: keys may be missing, values may be null, enumerations
//! may grow.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A file: the handle of a job, and its result.
#[derive(Debug, Deserialize)]
pub(crate) struct FileRead {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) url: Option<String>,
    #[serde(default)]
    pub(crate) thumbnail_url: Option<String>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) image_generation: Option<Generation>,
    #[serde(default)]
    pub(crate) video_generation: Option<Generation>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) duration: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) tasks: Vec<TaskRead>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TaskRead {
    #[serde(default)]
    pub(crate) status: Option<String>,
}

/// What was asked for, of pictures and videos alike.
#[derive(Debug, Deserialize)]
pub(crate) struct Generation {
    #[serde(default)]
    pub(crate) prompt: Option<String>,
    /// 64 bits, and in some places a number in quotes (quirk 9).
    #[serde(default, deserialize_with = "number")]
    pub(crate) seed: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) width: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) height: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) duration: Option<f64>,
    #[serde(default)]
    pub(crate) generation_config_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) generation_config: Option<ConfigRead>,
}

/// A model.
#[derive(Debug, Deserialize)]
pub(crate) struct ConfigRead {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) label: Option<String>,
    #[serde(rename = "type")]
    pub(crate) task: String,
    #[serde(default)]
    pub(crate) source: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) params: Map<String, Value>,
}

/// The list envelope. Without `items` it is none (quirk 21).
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) next: Option<Next>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Next {
    pub(crate) offset: u64,
}

/// Pictures come as a list, videos as one file (quirk 1); taken is either.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Created {
    Many(Vec<FileRead>),
    One(Box<FileRead>),
}

impl Created {
    pub(crate) fn first(self) -> Option<FileRead> {
        match self {
            Self::Many(files) => files.into_iter().next(),
            Self::One(file) => Some(*file),
        }
    }
}

/// `null` is what a missing key is.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What is not of the expected shape is not there.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

/// A whole number, also one with a fraction of zero or in quotes.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Value::deserialize(deserializer).map(|value| match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// A float that is a whole number, up to where floats hold every one of them.
pub(crate) fn whole(number: f64) -> Option<u64> {
    let fits = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
    // Checked just before.
    fits.then_some(number as u64)
}
