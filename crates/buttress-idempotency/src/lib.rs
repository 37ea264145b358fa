#![doc = include_str!("../README.md")]

mod answer;
mod body;
mod bounds;
mod budget;
mod call_key;
mod canonical;
mod capture;
mod chunks;
mod codes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod detach;
mod event;
mod fingerprint;
mod future;
mod gather;
mod handle;
mod headers;
mod keeper;
mod key;
mod known;
mod layer;
mod memory;
mod outcome;
mod record;
mod refusal;
mod request_body;
mod retention;
mod run;
mod scope;
mod seal;
mod secret;
mod service;
mod settings;
mod settling;
mod shard;
mod store;
mod sync;
mod telemetry;
mod visit;

/// What hooks fail with, once nobody needs to know its type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub use answer::{Answer, InvalidAnswer};
pub use body::ResponseBody;
pub use call_key::CallKey;
pub use codes::*;
pub use event::{Event, EventKind};
pub use fingerprint::Fingerprint;
pub use future::ResponseFuture;
pub use handle::Detached;
pub use headers::NotStorable;
pub use key::{InvalidKey, Key, KeyForm};
pub use layer::IdempotencyLayer;
pub use memory::{Capacity, MemoryStore, MemoryWait};
pub use outcome::Verdict;
pub use record::{Effect, Kept, Record, State, Token};
pub use request_body::RequestBody;
pub use retention::{InvalidSetting, Lease, Retention};
pub use run::Run;
pub use scope::{Scope, ScopeOf, Scoped, Unscoped, Unset};
pub use seal::Seal;
pub use secret::{InvalidRecordKey, RecordKey, Secret};
pub use service::Idempotency;
pub use settings::{Followers, Leaving};
pub use store::{Bid, Claim, Held, IdempotencyStore, Settled, Settlement};
