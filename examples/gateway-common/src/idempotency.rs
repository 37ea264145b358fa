//! Idempotency keys: whose they are, how long they last, and which answers are recorded.

use std::time::Duration;

use buttress_core::Problem;
use buttress_envelope as http_codes;
use buttress_idempotency::{
    IdempotencyLayer, InvalidSetting, Leaving, MemoryStore, Retention, Scope, Scoped, Secret, Verdict,
};
use http::request::Parts;

use crate::{BODY_LIMIT, BODY_TIMEOUT, Settings, UPLOAD_LIMIT, codes, users::Known};

/// Finds the scope of a key.
pub(crate) type FindScope = for<'a> fn(&'a Parts) -> Result<Scope<'a>, Problem>;

/// How long a key is remembered after its answer: within it, nothing runs again.
const LONGER: Duration = Duration::from_secs(48 * 3_600);

/// How long an upload may take to arrive.
const UPLOAD_TIME: Duration = Duration::from_secs(600);

/// What surrounds the file in a form.
const FORM: usize = 64 * 1_024;

/// What all uploads with a key take together: five of the longest. They have a budget of their own, so that slow uploads
/// keep nobody from starting a job.
const UPLOADS: usize = 5 * (UPLOAD_LIMIT + FORM);

/// The layer of idempotency keys, for one sort of routes.
pub(crate) type Keys = IdempotencyLayer<MemoryStore, Scoped<FindScope>>;

pub(crate) fn layer(settings: &Settings) -> Result<Keys, InvalidSetting> {
    let ttl = settings.idempotency_ttl;
    // A job that is being started is looked up at the provider, if need be, within this time.
    let finish = Leaving::Finish(2 * settings.provider_timeout);
    IdempotencyLayer::new(MemoryStore::default(), Secret::random())
        .scope(scope as FindScope)
        .retention(Retention::new(ttl, ttl + LONGER)?)
        .leaving(finish)
        .body_limit(BODY_LIMIT)?
        .body_time(BODY_TIMEOUT)
}

/// The same for forms with files: they are read whole when they have a key.
pub(crate) fn for_uploads(layer: Keys) -> Result<Keys, InvalidSetting> {
    layer.body_budget(UPLOADS)?.body_limit(UPLOAD_LIMIT + FORM)?.body_time(UPLOAD_TIME)
}

/// A key is one for a user and a path. Who may not call is told so as without a key.
fn scope(parts: &Parts) -> Result<Scope<'_>, Problem> {
    match parts.extensions.get() {
        Some(Known(Ok(caller))) => Ok(Scope::new(caller.user.as_str(), parts.uri.path())),
        Some(Known(Err(problem))) => Err(problem.clone()),
        None => Err(codes::internal()),
    }
}

/// What a failure means for the key of its request, where its status does not say it.
///
/// Nothing was started when the request itself is at fault, or when the provider refused it: the same key may be used for
/// a better request, or later.
pub(crate) fn verdict(problem: &Problem) -> Option<Verdict> {
    let before = [
        http_codes::BAD_REQUEST,
        http_codes::VALIDATION_FAILED,
        http_codes::PAYLOAD_TOO_LARGE,
        http_codes::UNSUPPORTED_MEDIA_TYPE,
    ];
    let refused = [codes::PROVIDER_REJECTED, codes::PROVIDER_UNAUTHORIZED, codes::PROVIDER_INSUFFICIENT_CREDIT];
    let is = |code: &http_codes::Code| code.code() == problem.code();
    (before.iter().any(is) || (refused.iter().any(is) && problem.status().is_server_error()))
        .then_some(Verdict::Release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_started_nothing_frees_the_key_and_others_go_by_their_status() {
        assert_eq!(verdict(&codes::bad_request("no")), Some(Verdict::Release));
        assert_eq!(verdict(&codes::validation_failed(&[])), Some(Verdict::Release));
        assert_eq!(verdict(&codes::PROVIDER_REJECTED.problem("no")), Some(Verdict::Release));
        for other in [codes::internal(), codes::OPERATION_UNCERTAIN.problem("?"), codes::job_failed("no".into())] {
            assert_eq!(verdict(&other), None, "{other:?}");
        }
    }

    #[test]
    fn every_code_of_the_layer_is_in_the_catalogue() {
        use buttress_idempotency as layer;

        let all = [
            layer::BAD_REQUEST,
            layer::IDEMPOTENCY_IN_PROGRESS,
            layer::IDEMPOTENCY_KEY_INVALID,
            layer::IDEMPOTENCY_MISMATCH,
            layer::OPERATION_UNCERTAIN,
            layer::PAYLOAD_TOO_LARGE,
            layer::REQUEST_TIMEOUT,
            layer::RESULT_EXPIRED,
            layer::RESULT_UNAVAILABLE,
            layer::STORE_UNAVAILABLE,
            layer::UNAVAILABLE,
        ];
        for code in all {
            assert!(crate::CATALOGUE.find(code.as_str()).is_some(), "{code}");
        }
    }
}
