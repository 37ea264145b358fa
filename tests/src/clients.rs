//! Where the clients and tools of npm and PyPI are that the tests use.

use std::path::PathBuf;

/// The line that installs them.
pub const INSTALL: &str = "Install the clients: apt-get install -y nodejs npm python3-venv && tests/clients/install";

/// The folder that they are installed into.
pub fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../target/clients"].iter().collect()
}
