//! The beginning of a call: what may be tried again, for how long, and what is kept for that.

use std::{sync::Arc, time::Duration};

use buttress_core::{Attempt, Deadline};
use http::{Extensions, request::Parts};
use http_body::Body;
use tokio::time::Instant;

use crate::{
    Budget, Policy, Repeat, ReplayBody, Why,
    call::{Again, Call, Sent, earlier},
    keep::Keep,
    settings::{Common, Settings},
};

/// What becomes of a call, as far as it is known before it is sent.
pub(crate) struct Plan {
    limits: Limits,
    repeat: Result<Repeat, Why>,
    // None: that of the layer, or none at all.
    budget: Option<Budget>,
}

/// There is no time at all.
pub(crate) struct TooLate;

/// Pays for a call, and looks at what it is.
#[inline]
pub(crate) fn plan<P, B, E>(settings: &Settings<P>, parts: &mut Parts, body: &B) -> Result<Plan, TooLate>
where
    P: Policy<E>,
    B: Body,
{
    let common = &settings.common;
    // RTY-18
    let nested = parts.extensions.get::<Attempt>().is_some();
    let limits = Limits::of(common, &mut parts.extensions)?;
    let budget = if nested { None } else { common.pay_in(parts) };
    if !nested {
        common.number(&mut parts.headers, Attempt::FIRST);
    }
    let repeat = if nested || common.attempts.get() == 1 { Repeat::Never } else { settings.policy.repeat(parts) };
    let repeat = match repeat {
        Repeat::Never => Err(Why::Unrepeatable),
        repeat if Keep::takes(body, common.replay_limit) => Ok(repeat),
        _ => Err(Why::BodyTooLarge),
    };
    Ok(Plan { limits, repeat, budget })
}

impl Plan {
    /// The body of the first try, and what is known of the call; nothing, if it is sent once and may take as long as it
    /// likes.
    #[inline]
    pub(crate) fn begin<S, P, B>(
        self,
        settings: &Arc<Settings<P>>,
        service: &S,
        parts: &mut Parts,
        body: B,
    ) -> (ReplayBody<B>, Option<Call<S, P, B>>)
    where
        S: Clone,
        B: Body,
    {
        let (body, kept) = match self.repeat {
            Ok(repeat) => {
                let (keep, body) = Keep::new(parts, body, settings.common.replay_limit);
                parts.extensions.insert(Attempt::FIRST);
                (body, Ok(Again { service: service.clone(), keep, repeat, budget: self.budget }))
            }
            Err(Why::Unrepeatable) if self.limits.by.is_none() => return (ReplayBody::once(body), None),
            Err(why) => (ReplayBody::once(body), Err(Sent { why, id: parts.extensions.get().cloned() })),
        };
        let call = Call {
            settings: settings.clone(),
            deadline: self.limits.deadline,
            attempt: Attempt::FIRST,
            waited: Duration::ZERO,
            given_back: false,
            kept,
        };
        (body, Some(call))
    }

    /// When the first try has to be answered.
    #[inline]
    pub(crate) fn by(&self) -> Option<Instant> {
        self.limits.by
    }
}

/// The times of a call.
struct Limits {
    deadline: Option<Instant>,
    /// When the first try has to be answered.
    by: Option<Instant>,
}

impl Limits {
    /// The earlier of both deadlines, which the layers below are told. The clock is read only if there is one.
    #[inline]
    fn of(common: &Common, extensions: &mut Extensions) -> Result<Self, TooLate> {
        let given = extensions.get::<Deadline>().map(|deadline| Instant::from_std(deadline.instant()));
        if given.is_none() && common.deadline.is_none() && common.attempt_timeout.is_none() {
            return Ok(Self { deadline: None, by: None });
        }
        Self::from_now(common, given, extensions)
    }

    fn from_now(common: &Common, given: Option<Instant>, extensions: &mut Extensions) -> Result<Self, TooLate> {
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
