#![doc = include_str!("../README.md")]

mod env;
mod error;
pub mod parse;
pub mod presets;

pub use env::Env;
pub use error::{ConfigError, Fault};
pub use secrecy::{ExposeSecret, SecretString};
