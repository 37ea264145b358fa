//! The gateway as a process.

/// The binary of this package.
const GATEWAY: &str = env!("CARGO_BIN_EXE_gateway-hyper");

// The same for every host.
#[path = "../../gateway-common/tests/process/mod.rs"]
mod process;
