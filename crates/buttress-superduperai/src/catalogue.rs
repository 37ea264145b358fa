//! The models on offer, kept for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use buttress_provider::{Model, ProviderError, ProviderErrorKind};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;

use crate::{
    HttpService, Operation,
    call::{Api, Call},
    error::{Asked, expect},
    models,
    settings::{Budget, after},
    wire::{ConfigRead, Next, Page},
};

const PAGE: usize = 50;
const MAX_PAGES: usize = 20;
const MAX_MODELS: usize = 1_000;

/// After a failure the old copy does for that long before the provider is asked again.
const RESPITE: Duration = Duration::from_secs(30);

/// A copy of the model list. Those who miss it at the same time each fetch it; the last one wins.
#[derive(Debug, Default)]
pub(crate) struct Catalogue(Mutex<Option<Held>>);

#[derive(Clone, Debug)]
struct Held {
    models: Arc<[Model]>,
    renew_at: Instant,
}

impl Catalogue {
    /// The list: a copy younger than `ttl`, else a new one, else an old copy if the provider does not answer.
    pub(crate) async fn models<S: HttpService>(
        &self,
        api: &Api<S>,
        ttl: Duration,
        budget: Budget,
    ) -> Result<Arc<[Model]>, ProviderError> {
        let held = self.held().clone();
        if let Some(held) = held.as_ref().filter(|held| Instant::now() < held.renew_at) {
            return Ok(Arc::clone(&held.models));
        }
        match (fetch(api, budget).await, held) {
            (Ok(models), _) => Ok(self.hold(models, ttl)),
            (Err(error), Some(old)) if error.kind() != ProviderErrorKind::Unauthorized => {
                warn!(kind = ?error.kind(), models = old.models.len(), "model_list_stale");
                Ok(self.hold(old.models, RESPITE))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// What is held is no longer true.
    pub(crate) fn expire(&self) {
        if let Some(held) = self.held().as_mut() {
            held.renew_at = Instant::now();
        }
    }

    fn hold(&self, models: Arc<[Model]>, wait: Duration) -> Arc<[Model]> {
        *self.held() = Some(Held { models: Arc::clone(&models), renew_at: after(wait) });
        models
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One entry of the list; one that is not understood spoils no other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Config(ConfigRead),
    Other(serde::de::IgnoredAny),
}

async fn fetch<S: HttpService>(api: &Api<S>, budget: Budget) -> Result<Arc<[Model]>, ProviderError> {
    let mut models: Vec<Model> = Vec::new();
    let mut offset = Some(0);
    for _ in 0..MAX_PAGES {
        let Some(from) = offset.filter(|_| models.len() < MAX_MODELS) else {
            break;
        };
        let path = format!("/api/v1/generation-config?order_by=name&order=descendent&limit={PAGE}&offset={from}");
        let answer = api.call(Call::get(Operation::Models, path), budget.call()).await;
        let page: Page<Entry> = expect(answer, Asked::Other)?;
        offset = page.next.and_then(|next| beyond(next, from, page.items.len()));
        for model in page.items.into_iter().filter_map(Entry::model) {
            // Pages shift when the list grows between two calls.
            if !models.iter().any(|known| known.name == model.name) {
                models.push(model);
            }
        }
    }
    if offset.is_some() {
        warn!(models = models.len(), "model_list_cut");
    }
    models.truncate(MAX_MODELS);
    Ok(models.into())
}

/// Where the next page starts. One that leads back, or follows an empty page, is a lie that would never end.
pub(crate) fn beyond(next: Next, from: u64, items: usize) -> Option<u64> {
    Some(next.offset).filter(|offset| *offset > from && items > 0)
}

impl Entry {
    fn model(self) -> Option<Model> {
        match self {
            Self::Config(config) => models::model(config),
            Self::Other(_) => None,
        }
    }
}
