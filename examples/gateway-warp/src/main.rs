//! The example gateway for pictures and videos, on warp: `cargo run --release -p gateway-warp`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway_common::run(gateway_warp::serve)
}
