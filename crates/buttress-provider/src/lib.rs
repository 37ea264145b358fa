#![doc = include_str!("../README.md")]

mod adapter;
mod artifact;
mod error;
mod event;
mod id;
mod job;
mod model;
mod request;
mod schedule;
mod service;
mod tracker;
mod upload;
mod watch;

pub use adapter::ProviderAdapter;
pub use artifact::{Artifact, Cost};
pub use error::{ProviderError, ProviderErrorKind};
pub use event::{JobEvent, JobEventKind};
pub use id::{ArtifactId, FileId, InvalidId, JobId};
pub use job::{Job, JobError, JobStatus, MediaKind};
pub use model::{Limits, Model, Price, PriceUnit, Task};
pub use request::{AspectRatio, ImageRequest, InvalidAspectRatio, Reference, ReferenceKind, VideoRequest};
pub use schedule::{InvalidSchedule, Schedule};
pub use service::{GetResult, GetStatus, ListModels, ProviderService, ResponseFuture};
pub use upload::{Upload, UploadBody, UploadedFile};
pub use watch::{Hint, watch};
