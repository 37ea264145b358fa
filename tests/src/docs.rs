//! The documents of the repository: their snippets are tests.

#[doc = include_str!("../../docs/providers.md")]
#[doc(hidden)]
pub mod providers {}

#[doc = include_str!("../../docs/stacking.md")]
#[doc(hidden)]
pub mod stacking {}
