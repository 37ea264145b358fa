use std::{
    io::{self, Write},
    process::ExitCode,
};

use buttress_config::Env;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::{
        ctrl_c,
        unix::{SignalKind, signal},
    },
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{Gateway, Settings, init_logs, init_metrics, keep_metrics_small};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The whole process of a gateway: settings from the environment, logs, metrics, the line on stdout, signals, the exit
/// status. `serve` is the host: it serves on the listener until the token is cancelled, then drains.
///
/// The status is 0 after SIGTERM or Ctrl-C, 2 for settings that are no good, and 1 for everything else.
pub fn run<F, S>(serve: F) -> ExitCode
where
    F: FnOnce(TcpListener, Gateway, CancellationToken) -> S,
    S: Future<Output = ()>,
{
    let settings = match Settings::read(Env::of_process()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let _reports = init_logs(&settings);
    init_metrics();
    match block_on(listen(settings, serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "the gateway cannot run");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(work);
    // A name that is being looked up does not hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn listen<F, S>(settings: Settings, serve: F) -> Result<(), Error>
where
    F: FnOnce(TcpListener, Gateway, CancellationToken) -> S,
    S: Future<Output = ()>,
{
    let shutdown = shutdown_on_signals()?;
    let bind = settings.bind;
    settings.warn_of_weak_secrets();
    tokio::spawn(keep_metrics_small());
    let gateway = Gateway::start(settings).await?;
    let listener = TcpListener::bind(bind).await.map_err(|error| format!("BIND={bind}: {error}"))?;
    let addr = listener.local_addr()?;
    // The one line that goes to stdout: whoever started the gateway waits for it.
    writeln!(io::stdout(), "listening on http://{addr}")?;
    serve(listener, gateway, shutdown).await;
    info!("drained");
    Ok(())
}

/// Cancelled by SIGTERM or Ctrl-C.
fn shutdown_on_signals() -> io::Result<CancellationToken> {
    let mut term = signal(SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let cancel = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = ctrl_c() => {}
        }
        cancel.cancel();
    });
    Ok(shutdown)
}
