use std::sync::Arc;

use buttress_circuit_breaker::{BreakerLayer, Circuits};
use buttress_provider::MediaKind;
use buttress_rate_limit::{Throttle, ThrottleLayer};
use buttress_request_log::{OutboundNotes, OutboundNotesLayer};
use buttress_superduperai::{ApiUrl, Resilience, Stack, SuperDuperAi, Token, Transport, Tries};
use superduperai_sim::Simulator;
use tower_layer::Layer;
use tracing::info;

use crate::{BreakerSettings, ProviderAccess, Settings};

/// The provider as the gateway uses it: the adapter over its usual stack, with a throttle for the provider's burst cap, and
/// with what happens to a call told in the line of its request.
pub(crate) type Provider = SuperDuperAi<OutboundNotes<Stack<Throttle<Tries>>>>;

/// The simulator inside the gateway's process; it ends with the last clone.
pub type Simulated = Arc<Simulator>;

/// Credits that a demonstration does not use up.
const PLENTY: f64 = 1e9;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The provider, how its circuit breaker stands, and the simulator, if that is the provider.
pub(crate) struct Connected {
    pub(crate) provider: Provider,
    pub(crate) circuits: Circuits,
    pub(crate) simulated: Option<Simulated>,
}

/// Connects to the provider of the settings, or to a simulator of our own.
pub(crate) async fn connect(settings: &Settings) -> Result<Connected, Error> {
    if let Some(ProviderAccess { url, token }) = &settings.provider {
        let (provider, circuits) = adapter(settings, url.clone(), token.clone())?;
        return Ok(Connected { provider, circuits, simulated: None });
    }
    let simulator =
        Simulator::start(superduperai_sim::Settings::default().step(settings.sim_step).balance(PLENTY)).await?;
    let url = simulator.url().to_owned();
    info!(simulator = %url, "no provider is set: its simulator runs in this process");
    let (provider, circuits) = adapter(settings, ApiUrl::new(&url)?, Token::new(simulator.token())?)?;
    Ok(Connected { provider, circuits, simulated: Some(Arc::new(simulator)) })
}

fn adapter(settings: &Settings, url: ApiUrl, token: Token) -> Result<(Provider, Circuits), Error> {
    let resilience = Resilience::default()
        .attempts(settings.retry.attempts)
        .backoff(settings.retry.base, settings.retry.cap)?
        .attempt_timeout(settings.attempt_timeout)?
        .breaker(settings.breaker.as_ref().map_or_else(|| Ok(BreakerLayer::off()), BreakerSettings::layer)?);
    // A call that would wait for longer than it may take is not worth the wait.
    let throttle = ThrottleLayer::new(settings.provider_limit).most_wait(settings.attempt_timeout);
    let tries = throttle.layer(Tries::new(Transport::new()?, &resilience));
    let stack = OutboundNotesLayer::new().layer(Stack::over(tries, &resilience));
    let provider = SuperDuperAi::new(url, token, stack).tried_beneath();
    let provider = provider.timeouts(settings.attempt_timeout, settings.provider_timeout)?;
    let provider = match &settings.schedule {
        Some(same) => provider.schedule(MediaKind::Image, same.clone()).schedule(MediaKind::Video, same.clone()),
        None => provider,
    };
    Ok((provider, resilience.circuits()))
}
