#![cfg_attr(all(feature = "json", feature = "resume"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "json", feature = "resume")),
    doc = "Server-sent events: encoder, parser and event logs that resume."
)]

mod block;
mod body;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
mod decode_error;
mod edge;
mod encode;
mod event;
mod frame;
mod heartbeat;
mod line;
mod log;
mod memory;
mod memory_log;
mod message;
mod name;
mod partial;
mod publisher;
mod registry;
mod replay;
#[cfg(feature = "resume")]
mod resume;
mod retention;
mod ring;
mod small;
mod stream;
mod stream_key;
mod sync;
mod tenure;
mod waiters;

pub use body::EventBody;
pub use cursor::{Cursor, MalformedCursor, NoRandomness};
pub use decode_error::{DecodeError, DecodeErrorKind};
pub use event::Event;
pub use frame::Decoder;
pub use heartbeat::{Heartbeat, InvalidHeartbeat};
pub use log::{Claim, EventLog, Excerpt, StreamState, Written};
pub use memory::{CreateError, CreateErrorKind, MemoryLog};
pub use memory_log::MemoryWait;
pub use message::{Frame, Message};
pub use name::{EventId, EventName, InvalidEvent, InvalidEventKind};
pub use publisher::Publisher;
pub use replay::{REPLAY_FROM, RESET, Replay, Resume, last_event_id};
#[cfg(feature = "resume")]
pub use resume::{ResumeBody, ResumeFuture, ResumeLayer, ResumeService};
pub use retention::{InvalidRetention, Retention};
pub use stream_key::StreamKey;
