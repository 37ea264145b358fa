//! The example gateway for pictures and videos, on axum: `cargo run --release -p gateway-axum`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway_common::run(gateway_axum::serve)
}
