#![doc = include_str!("../README.md")]

mod answer;
mod api_error;
mod asked;
mod body;
mod catalogue;
mod codes;
mod decide;
#[cfg(feature = "client")]
mod decode;
#[cfg(feature = "client")]
mod decode_future;
#[cfg(feature = "client")]
mod decode_layer;
mod envelope;
mod errors;
mod fields;
mod foreign;
mod future;
mod handle;
mod headers;
mod layer;
mod marks;
mod negotiate;
mod pending;
mod read;
mod render;
mod resumed;
#[cfg(feature = "utoipa")]
mod schema;
mod service;
mod status;
mod telemetry;
mod timer;
mod walk;
mod wrapped;

/// What bodies and services fail with, once nobody needs to know its type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub use api_error::ApiError;
pub use body::ResponseBody;
pub use catalogue::{Catalogue, Code};
pub use codes::*;
#[cfg(feature = "client")]
pub use decode::{decode, decode_answer};
#[cfg(feature = "client")]
pub use decode_future::DecodeFuture;
#[cfg(feature = "client")]
pub use decode_layer::{Decode, DecodeLayer};
pub use envelope::{error_json, failure_json};
pub use errors::{AnswerErrors, AnswerErrorsLayer, ErrorsFuture};
pub use future::ResponseFuture;
pub use handle::{EnvelopeHandle, Mode, TooManyRoutes};
pub use layer::EnvelopeLayer;
pub use marks::{Enveloped, Raw, Route};
#[cfg(feature = "utoipa")]
pub use schema::{FailureEnvelope, ProblemDetails, SuccessEnvelope};
pub use service::Envelope;
pub use walk::problem_of;
pub use wrapped::LengthMismatch;
