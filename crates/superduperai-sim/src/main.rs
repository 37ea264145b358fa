//! Runs the simulator on its own, until Ctrl-C or SIGTERM.

use std::{env, fmt::Display, io::Write, net::SocketAddr, process::ExitCode, time::Duration};

use superduperai_sim::{Settings, Simulator};

const DEFAULT_BIND: &str = "127.0.0.1:4010";

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            return ExitCode::from(2);
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("superduperai-sim: {err}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> std::io::Result<()> {
    let stopped = stopped()?;
    let sim = Simulator::start(settings).await?;
    writeln!(std::io::stdout(), "listening on {}", sim.url())?;
    stopped.await;
    sim.stop().await;
    Ok(())
}

/// Every problem is reported, not only the first.
fn settings() -> Result<Settings, Vec<String>> {
    let bind = variable("BIND", "127.0.0.1:4010", str::parse::<SocketAddr>);
    let step = variable("SIM_STEP", "400ms", humantime::parse_duration);
    let token = variable("SIM_TOKEN", "0123456789abcdef0123456789abcdef", token);
    match (bind, step, token) {
        (Ok(bind), Ok(step), Ok(token)) => Ok(configured(bind, step, token)),
        (bind, step, token) => {
            let problems = [bind.err(), step.err(), token.err()];
            Err(problems.into_iter().flatten().collect())
        }
    }
}

fn configured(bind: Option<SocketAddr>, step: Option<Duration>, token: Option<String>) -> Settings {
    let default = DEFAULT_BIND.parse().expect("the default is an address");
    let mut settings = Settings::default().bind(bind.unwrap_or(default));
    if let Some(step) = step {
        settings = settings.step(step);
    }
    if let Some(token) = token {
        settings = settings.token(token);
    }
    settings
}

fn variable<T, E: Display>(
    name: &str,
    example: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    let Some(value) = env::var_os(name) else {
        return Ok(None);
    };
    let problem = |what: &dyn Display| format!("{name}: {what}; an example is `{name}={example}`");
    let value = value.to_str().ok_or_else(|| problem(&"not UTF-8"))?;
    read(value).map(Some).map_err(|err| problem(&err))
}

fn token(text: &str) -> Result<String, &'static str> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain { Ok(text.to_owned()) } else { Err("neither empty nor with spaces or control characters") }
}

#[cfg(unix)]
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a handler there is nothing to wait for.
        let _ = tokio::signal::ctrl_c().await;
    })
}
