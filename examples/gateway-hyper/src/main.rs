//! The example gateway for pictures and videos, on hyper alone: `cargo run --release -p gateway-hyper`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway_common::run(gateway_hyper::serve)
}
