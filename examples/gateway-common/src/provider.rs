use std::sync::Arc;

use buttress_correlation_id::{Outbound, OutboundLayer};
use buttress_provider::MediaKind;
use buttress_rate_limit::{Throttle, ThrottleLayer};
use buttress_superduperai::{ApiUrl, SuperDuperAi, Token, Transport};
use superduperai_sim::Simulator;
use tower_layer::Layer;
use tracing::info;

use crate::{ProviderAccess, Settings};

/// The provider as the gateway uses it: the adapter over its usual transport, which sends the correlation id and the trace
/// with calls that leave in their turn.
pub(crate) type Provider = SuperDuperAi<Outbound<Throttle<Transport>>>;

/// The simulator inside the gateway's process; it ends with the last clone.
pub type Simulated = Arc<Simulator>;

/// Credits that a demonstration does not use up.
const PLENTY: f64 = 1e9;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Connects to the provider of the settings, or to a simulator of our own.
pub(crate) async fn connect(settings: &Settings) -> Result<(Provider, Option<Simulated>), Error> {
    if let Some(ProviderAccess { url, token }) = &settings.provider {
        return Ok((adapter(settings, url.clone(), token.clone())?, None));
    }
    let simulator =
        Simulator::start(superduperai_sim::Settings::default().step(settings.sim_step).balance(PLENTY)).await?;
    let url = simulator.url().to_owned();
    info!(simulator = %url, "no provider is set: its simulator runs in this process");
    let provider = adapter(settings, ApiUrl::new(&url)?, Token::new(simulator.token())?)?;
    Ok((provider, Some(Arc::new(simulator))))
}

fn adapter(settings: &Settings, url: ApiUrl, token: Token) -> Result<Provider, Error> {
    // A call that would wait for longer than it may take is not worth the wait.
    let throttle = ThrottleLayer::new(settings.provider_limit).most_wait(settings.attempt_timeout);
    let transport = OutboundLayer::new().layer(throttle.layer(Transport::new()?));
    let provider = SuperDuperAi::new(url, token, transport);
    let provider = provider.timeouts(settings.attempt_timeout, settings.provider_timeout)?;
    Ok(match &settings.schedule {
        Some(same) => provider.schedule(MediaKind::Image, same.clone()).schedule(MediaKind::Video, same.clone()),
        None => provider,
    })
}
