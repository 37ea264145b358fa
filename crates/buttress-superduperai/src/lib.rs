#![cfg_attr(feature = "stack", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "stack"), doc = "SuperDuperAI's pictures and videos as typed jobs, over any HTTP service.")]

mod answer;
mod body;
mod call;
mod catalogue;
mod client;
mod create;
mod detail;
mod error;
mod events;
mod file;
mod hint;
mod lookup;
mod models;
mod multipart;
mod near;
mod operation;
mod request;
#[cfg(feature = "stack")]
mod resilience;
mod service;
mod settings;
#[cfg(feature = "stack")]
mod stack;
mod token;
#[cfg(feature = "transport")]
mod transport;
#[cfg(feature = "stack")]
mod tries;
mod upload;
mod url;
mod validate;
mod wire;

pub use body::RequestBody;
pub use client::SuperDuperAi;
pub use error::{LocalRefusal, NotSent};
pub use operation::Operation;
#[cfg(feature = "stack")]
pub use resilience::Resilience;
pub use service::HttpService;
pub use settings::{EventChannel, InvalidSetting};
#[cfg(feature = "stack")]
pub use stack::{Stack, StackBody, StackFuture};
pub use token::{InvalidToken, Token};
#[cfg(feature = "transport")]
pub use transport::{ResponseBody, ResponseFuture, Transport, TransportError};
#[cfg(feature = "stack")]
pub use tries::{Tries, TryBody, TryFuture};
pub use url::{ApiUrl, InvalidApiUrl};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
