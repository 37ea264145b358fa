//! Starting a job, once.

use buttress_provider::{Job, JobStatus, ProviderError, ProviderErrorKind};
use tokio::time::sleep_until;
use tracing::{debug, warn};

use crate::{
    HttpService, SuperDuperAi,
    answer::{Answer, NoAnswer},
    call::Call,
    error::{Asked, decode, not_understood},
    lookup::find,
    request::{Order, Seed},
    settings::{Budget, after},
    wire::Created,
};

/// How often a job in doubt is looked for.
const LOOKUPS: u32 = 2;

/// What is known after a create call.
enum Verdict {
    Started(Job),
    /// It certainly did not take effect.
    Refused(ProviderError),
    /// It was sent, and may have taken effect.
    InDoubt(ProviderError),
}

impl<S: HttpService> SuperDuperAi<S> {
    /// Sends an order, once, and does not rest before its outcome is known or known to be unknowable.
    pub(crate) async fn start(&self, order: Order, budget: Budget) -> Result<Job, ProviderError> {
        let call = Call::post_json(order.operation(), order.path(), order.body.clone());
        let outcome = self.api.call(call, budget.call_to_be_looked_up()).await;
        match judge(outcome, &order) {
            Verdict::Started(job) => Ok(job),
            Verdict::Refused(error) => {
                if error.fields().iter().any(|fault| fault.field == "model") {
                    self.catalogue.expire();
                }
                Err(error)
            }
            Verdict::InDoubt(error) => self.resolve(&order, error, budget).await,
        }
    }

    /// In doubt → (started | not started | unknown)
    async fn resolve(&self, order: &Order, error: ProviderError, budget: Budget) -> Result<Job, ProviderError> {
        let operation = order.operation();
        warn!(%operation, kind = ?error.kind(), "create_in_doubt");
        if matches!(order.seed, Seed::Given(_)) {
            return Err(unknown(error));
        }
        let mut absent = false;
        for _ in 0..LOOKUPS {
            // What was sent may still be on its way into the list.
            sleep_until(after(self.settings.lookup_pause).min(budget.until)).await;
            absent = match find(&self.api, order, budget).await {
                Ok(Some(job)) => {
                    warn!(%operation, job_id = %job.id, "create_adopted");
                    return Ok(job);
                }
                Ok(None) => true,
                Err(failure) => {
                    debug!(%operation, kind = ?failure.kind(), "create_lookup_failed");
                    false
                }
            };
        }
        warn!(%operation, absent, "create_not_found");
        Err(if absent { error } else { unknown(error) })
    }
}

fn judge(outcome: Result<Answer, NoAnswer>, order: &Order) -> Verdict {
    match outcome {
        Ok(Answer::Success(body)) => match decode::<Created>(body).and_then(started) {
            Ok(job) => Verdict::Started(job),
            Err(error) => Verdict::InDoubt(error),
        },
        Ok(Answer::Refusal(refusal)) if refusal.is_definite() => {
            Verdict::Refused(refusal.into_error(Asked::Create(&order.given)))
        }
        Ok(Answer::Refusal(refusal)) => Verdict::InDoubt(refusal.into_error(Asked::Create(&order.given))),
        Err(none) if !none.left => Verdict::Refused(none.into()),
        Err(none) => Verdict::InDoubt(none.into()),
    }
}

fn started(created: Created) -> Result<Job, ProviderError> {
    let file = created.first().ok_or_else(|| not_understood("the list of files is empty"))?;
    let job = file.job()?;
    // The provider has no word for what waits: a file that was just made looks like one that is worked on.
    Ok(if job.status == JobStatus::Running { Job::new(job.id, job.kind) } else { job })
}

fn unknown(error: ProviderError) -> ProviderError {
    let message = "the request was sent, and it is not known whether the provider started the job";
    ProviderError::new(ProviderErrorKind::UnknownOutcome, message).with_source(error)
}
