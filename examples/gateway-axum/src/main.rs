//! The example gateway for pictures and videos, on axum: `cargo run --release -p gateway-axum`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use buttress_config::Env;
use gateway_common::{Gateway, Settings, init_logs, init_metrics, keep_metrics_small};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};
use tracing::{error, info};

fn main() -> ExitCode {
    let settings = match Settings::read(Env::of_process()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let _reports = init_logs(&settings);
    init_metrics();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "the gateway cannot run");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(settings));
    // A name that is being looked up does not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "the gateway cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let terminated = terminated()?;
    let bind = settings.bind;
    settings.warn_of_weak_secrets();
    tokio::spawn(keep_metrics_small());
    let gateway = Gateway::start(settings).await?;
    let listener = TcpListener::bind(bind).await.map_err(|error| format!("BIND={bind}: {error}"))?;
    let addr = listener.local_addr()?;
    // The one line that goes to stdout: whoever started the gateway waits for it.
    writeln!(io::stdout(), "listening on http://{addr}")?;
    gateway_axum::serve(listener, gateway, terminated).await?;
    info!("drained");
    Ok(())
}

/// SIGTERM or Ctrl-C.
fn terminated() -> io::Result<impl Future<Output = ()> + Send> {
    let mut term = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = ctrl_c() => {}
        }
    })
}
