//! Finding a job whose creation is in doubt.

use buttress_provider::{Job, ProviderError};

use crate::{
    HttpService, Operation,
    call::{Api, Call},
    catalogue::beyond,
    error::{Asked, expect},
    request::{Order, Seed},
    settings::Budget,
    wire::{FileRead, Page},
};

/// The newest two hundred files of the account are looked through.
const PAGE: usize = 50;
const MAX_PAGES: usize = 4;

/// The job that an order started, if it is among the newest of the account.
pub(crate) async fn find<S: HttpService>(
    api: &Api<S>,
    order: &Order,
    budget: Budget,
) -> Result<Option<Job>, ProviderError> {
    let mut offset = Some(0);
    for _ in 0..MAX_PAGES {
        let Some(from) = offset else { break };
        let kind = order.kind;
        let path = format!("/api/v1/file?types={kind}&order_by=created_at&order=descendent&limit={PAGE}&offset={from}");
        let answer = api.call(Call::get(Operation::Lookup, path), budget.call()).await;
        let page: Page<FileRead> = expect(answer, Asked::Other)?;
        if let Some(file) = page.items.iter().find(|file| is_of(file, order)) {
            return file.job().map(Some);
        }
        offset = page.next.and_then(|next| beyond(next, from, page.items.len()));
    }
    Ok(None)
}

/// A drawn seed is as good as a name; prompt and model are compared in case the draw was unlucky.
fn is_of(file: &FileRead, order: &Order) -> bool {
    let Some(generation) = file.generation(order.kind) else {
        return false;
    };
    let seed = generation.seed.map(Seed::Drawn);
    seed == Some(order.seed)
        && generation.prompt.as_deref().unwrap_or_default() == order.prompt
        && generation.generation_config_name.as_deref() == Some(&order.model)
}
