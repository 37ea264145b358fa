#![doc = include_str!("../README.md")]

mod body;
mod clean;
mod counted;
mod draft;
mod event;
mod future;
mod layer;
mod line;
#[cfg(feature = "metrics")]
mod meter;
#[cfg(not(feature = "metrics"))]
#[path = "no_meter.rs"]
mod meter;
mod outbound;
mod record;
mod service;
mod settings;
mod site;

pub use body::ResponseBody;
pub use future::ResponseFuture;
pub use layer::RequestLogLayer;
pub use outbound::{NotesExt, OutboundNotes, OutboundNotesLayer, WithNotes};
pub use record::{Outcome, Record};
pub use service::RequestLog;
