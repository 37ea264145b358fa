//! The beginning of a call: what may be tried again, for how long, and what is kept for that.

use std::{borrow::Cow, sync::Arc, time::Duration};

use buttress_core::{Attempt, CorrelationId, Deadline};
use http::{Extensions, Request, request::Parts};
use http_body::Body;
use tokio::time::Instant;

use crate::{
    Policy, Repeat, ReplayBody, Why,
    call::{Again, Call, Sent, earlier},
    keep::Keep,
    settings::{Common, Settings},
};

/// A call that has begun.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it was made")]
pub(crate) enum Opened<S, P, ReqB> {
    Go { request: Request<ReplayBody<ReqB>>, call: Option<Call<S, P, ReqB>>, by: Option<Instant> },
    TooLate(Option<CorrelationId>),
}

#[inline]
pub(crate) fn open<S, P, ReqB, E>(
    settings: &Arc<Settings<P>>,
    service: &S,
    request: Request<ReqB>,
) -> Opened<S, P, ReqB>
where
    S: Clone,
    P: Policy<E>,
    ReqB: Body,
{
    let (mut parts, body) = request.into_parts();
    let common = &settings.common;
    // RTY-18
    let nested = parts.extensions.get::<Attempt>().is_some();
    let Ok(limits) = Limits::of(common, &mut parts.extensions) else {
        return Opened::TooLate(parts.extensions.remove());
    };
    let budget = common.budgets.as_ref().filter(|_| !nested).map(|budgets| budgets.of(&parts));
    if let Some(budget) = &budget {
        budget.pay_in();
    }
    if !nested {
        common.number(&mut parts.headers, Attempt::FIRST);
    }
    let repeat = if nested || common.attempts.get() == 1 { Repeat::Never } else { settings.policy.repeat(&parts) };
    let (body, kept) = match may_keep(repeat, &body, common) {
        Ok(()) => {
            let keep = Keep::new(&parts, body, common.replay_limit);
            parts.extensions.insert(Attempt::FIRST);
            let budget = budget.map(Cow::into_owned);
            (keep.body(), Ok(Again { service: service.clone(), keep, repeat, budget }))
        }
        Err(Why::Unrepeatable) if limits.by.is_none() => {
            let request = Request::from_parts(parts, ReplayBody::once(body));
            return Opened::Go { request, call: None, by: None };
        }
        Err(why) => (ReplayBody::once(body), Err(Sent { why, id: id(&parts) })),
    };
    let call = Call {
        settings: settings.clone(),
        deadline: limits.deadline,
        attempt: Attempt::FIRST,
        waited: Duration::ZERO,
        given_back: false,
        kept,
    };
    Opened::Go { request: Request::from_parts(parts, body), call: Some(call), by: limits.by }
}

fn may_keep<B: Body>(repeat: Repeat, body: &B, common: &Common) -> Result<(), Why> {
    if repeat == Repeat::Never {
        return Err(Why::Unrepeatable);
    }
    if Keep::takes(body, common.replay_limit) { Ok(()) } else { Err(Why::BodyTooLarge) }
}

fn id(parts: &Parts) -> Option<CorrelationId> {
    parts.extensions.get().cloned()
}

/// The times of a call.
struct Limits {
    deadline: Option<Instant>,
    /// When the first try has to be answered.
    by: Option<Instant>,
}

/// There is no time at all.
struct TooLate;

impl Limits {
    /// The earlier of both deadlines, which the layers below are told. The clock is read only if there is one.
    fn of(common: &Common, extensions: &mut Extensions) -> Result<Self, TooLate> {
        let given = extensions.get::<Deadline>().map(|deadline| Instant::from_std(deadline.instant()));
        if given.is_none() && common.deadline.is_none() && common.attempt_timeout.is_none() {
            return Ok(Self { deadline: None, by: None });
        }
        let now = Instant::now();
        let own = common.deadline.and_then(|time| now.checked_add(time));
        let deadline = earlier(given, own);
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(TooLate);
        }
        if let Some(deadline) = deadline.filter(|_| deadline != given) {
            extensions.insert(Deadline::at(deadline.into_std()));
        }
        let by = common.attempt_timeout.and_then(|time| now.checked_add(time));
        Ok(Self { deadline, by: earlier(by, deadline) })
    }
}
