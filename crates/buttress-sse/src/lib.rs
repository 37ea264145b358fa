#![cfg_attr(all(feature = "client", feature = "json", feature = "layer", feature = "resume"), doc = include_str!("../README.md"))]
#![cfg_attr(
    not(all(feature = "client", feature = "json", feature = "layer", feature = "resume")),
    doc = "Server-sent events: encoder, parser and event logs that resume."
)]

mod alarm;
#[cfg(feature = "client")]
mod attempt;
mod block;
mod body;
mod border;
#[cfg(feature = "conformance")]
pub mod conformance;
mod cursor;
mod decode_error;
#[cfg(any(feature = "layer", feature = "resume"))]
mod drain;
mod edge;
mod encode;
mod event;
#[cfg(feature = "client")]
mod event_source;
#[cfg(feature = "client")]
mod event_source_error;
#[cfg(feature = "client")]
mod follow;
mod frame;
mod head;
mod heartbeat;
#[cfg(feature = "layer")]
mod heartbeats;
mod line;
mod log;
mod memory;
mod memory_log;
mod message;
mod name;
mod partial;
mod plain;
mod publisher;
#[cfg(feature = "client")]
mod reconnect;
#[cfg(feature = "client")]
mod redirect;
mod registry;
mod replay;
#[cfg(feature = "resume")]
mod resume;
mod retention;
mod ring;
mod sheets;
#[cfg(feature = "client")]
mod signal;
mod small;
mod stream;
mod stream_key;
mod sync;
mod tenure;
#[cfg(feature = "client")]
mod timer;
mod waiters;

pub use body::EventBody;
pub use border::Border;
pub use cursor::{Cursor, MalformedCursor, NoRandomness};
pub use decode_error::{DecodeError, DecodeErrorKind};
#[cfg(any(feature = "layer", feature = "resume"))]
pub use drain::Drain;
pub use event::Event;
#[cfg(feature = "client")]
pub use event_source::EventSource;
#[cfg(feature = "client")]
pub use event_source_error::{EventSourceError, EventSourceErrorKind};
pub use frame::Decoder;
pub use heartbeat::{Heartbeat, InvalidHeartbeat};
#[cfg(feature = "layer")]
pub use heartbeats::{HeartbeatBody, HeartbeatFuture, HeartbeatLayer, Heartbeats, UnfinishedEvent};
pub use log::{Claim, EventLog, Excerpt, StreamState, Written};
pub use memory::{CreateError, CreateErrorKind, MemoryLog};
pub use memory_log::MemoryTail;
pub use message::{Frame, Message};
pub use name::{EventId, EventName, InvalidEvent, InvalidEventKind};
pub use publisher::Publisher;
pub use replay::{REPLAY_FROM, RESET, Replay, Resume, last_event_id};
#[cfg(feature = "resume")]
pub use resume::{ResumeBody, ResumeFuture, ResumeLayer, ResumeService};
pub use retention::{InvalidRetention, Retention};
#[cfg(feature = "client")]
pub use signal::{Lost, Signal};
pub use stream_key::StreamKey;
