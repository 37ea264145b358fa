//! Speaks the wire of the SuperDuperAI provider, and fails as the provider fails.
//!
//! It makes jobs of pictures, videos and sounds, moves them along a clock of its own, publishes their events,
//! charges credits and serves real media, without a network and without an account. It shares no type with
//! any client, so that a wrong field fails instead of agreeing with itself.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! use http::{Method, StatusCode};
//! use superduperai_sim::{Fault, Settings, Simulator};
//!
//! let sim = Simulator::start(Settings::default().balance(10.0)).await?;
//! sim.add_fault(Fault::new(Method::GET, "/api/v1/user/me", StatusCode::SERVICE_UNAVAILABLE));
//!
//! assert!(sim.url().starts_with("http://127.0.0.1:"));
//! assert!(sim.jobs().is_empty());
//! sim.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Behaviour
//!
//! A job takes four steps of [`Settings::step`]: its task starts, it renders, its task completes while `url` is
//! still null, and its `url` is there. A job that the worker refuses fails after the third step, without a text.
//! All waiting is done on tokio's clock, so that a paused clock moves it.
//!
//! | what | default | see |
//! |---|---|---|
//! | one step | 400 ms | [`Settings::step`] |
//! | credits, VIP | 1000, yes | [`Settings::balance`], [`Settings::vip`] |
//! | events | as the provider sends them on a good day | [`EventMode`] |
//! | faults | none | [`Fault`] |
//!
//! # When it dies
//!
//! Dropping the [`Simulator`], or [`Simulator::stop`], closes the listener and every open connection at once,
//! whatever is on them. If one of its tasks panicked, that panics too, and so fails the test.
//!
//! # Not for
//!
//! Anything but tests and demonstrations: nothing is kept beyond the process, and everything is bounded by
//! forgetting what is oldest.

mod admit;
mod announce;
mod body;
mod bus;
mod control;
mod cut;
mod detail;
mod events;
mod fault_json;
mod gate;
mod jobs;
mod make;
mod media;
mod models;
mod modes;
mod order;
mod picture;
mod query;
mod range;
mod request_log;
mod routes;
mod script;
mod server;
mod settings;
mod simulator;
mod sniff;
mod span;
mod stamp;
mod store;
mod tasks;
mod validate;
mod wire;
mod worker;
mod world;

pub use jobs::{JobReport, JobStatus};
pub use modes::{Cut, EventMode, Lie};
pub use request_log::ReceivedRequest;
pub use script::{Answer, Fault, MAX_FAULTS, Then};
pub use settings::{PROJECT, SCENE, Settings, TOKEN, UnknownModel, VipRefusal};
pub use simulator::Simulator;
