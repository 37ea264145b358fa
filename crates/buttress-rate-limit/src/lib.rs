#![doc = include_str!("../README.md")]

mod advice;
mod body;
mod client_addr;
mod clock;
mod conclude;
#[cfg(feature = "conformance")]
pub mod conformance;
mod core;
mod decide;
mod fallback;
mod fields;
mod forwarded;
mod future;
mod gather;
mod gcra;
mod hash;
mod head;
mod in_flight;
mod invalid;
mod judge;
mod key;
mod key_by;
mod latch;
mod layer;
mod limit;
mod memory;
#[cfg_attr(not(feature = "metrics"), path = "no_meter.rs")]
mod meter;
mod network;
mod problems;
mod quota;
mod refusal;
mod service;
mod settings;
mod shared_quota;
mod slots;
mod store;
mod structured;
mod sync;
mod tab;
mod table;
mod telemetry;
mod throttle;
mod undecided;
mod value;
mod waiting;
mod which;

pub use advice::{Advice, ToldLimit, ToldPolicy};
pub use body::ResponseBody;
pub use client_addr::{ClientAddr, ListHeader};
pub use fields::Fields;
pub use future::ResponseFuture;
pub use gcra::{Standing, Wait};
pub use head::Head;
pub use invalid::InvalidLimits;
pub use key::Key;
pub use key_by::{By, KeyBy, NoKey, Or, by, by_extension, by_nothing};
pub use layer::RateLimitLayer;
pub use limit::{Answer, Failure, Limit, Reason, Settlement};
pub use memory::{InvalidCapacity, MemoryStore};
pub use network::{InvalidNetwork, Network};
pub use quota::{InvalidQuota, Quota};
pub use refusal::Refused;
pub use service::RateLimit;
pub use shared_quota::SharedQuota;
pub use store::{Act, Ask, Asks, Decision, MOST_LIMITS, RateStore, Reply};
pub use tab::Tab;
pub use table::Table;
#[cfg(loom)]
#[doc(hidden)]
pub use throttle::model;
pub use throttle::{Throttle, ThrottleFuture, ThrottleLayer};
