//! What the tests of the whole kit share: the stacks, started and stopped by handle.

pub mod browser;
pub mod clients;
pub mod docs;
mod gateway;
pub mod haproxy;
mod host;
pub mod http;
pub mod nginx;
pub mod program;
pub mod proxy;

pub use gateway::{Gateway, Hosted};
pub use host::{Axum, Host, Hyper, Warp};
