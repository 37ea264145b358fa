//! The beginning of a call: what may be tried again, and for how long.

use buttress_core::{Attempt, Deadline};
use http::request::Parts;
use http_body::Body;
use tokio::time::Instant;

use crate::{
    Budget, Policy, Repeat, Why,
    call::earlier,
    extras::Lookup,
    keep::Keep,
    settings::{Common, Settings},
};

/// What becomes of a call, as far as it is known before it is sent.
pub(crate) struct Plan {
    pub(crate) limits: Limits,
    pub(crate) repeat: Result<Repeat, Why>,
    /// None: that of the layer, or none at all.
    pub(crate) budget: Option<Budget>,
    /// RTY-18
    pub(crate) nested: bool,
}

/// There is no time at all.
pub(crate) struct TooLate;

impl Plan {
    /// Pays for a call, and looks at what it is.
    #[inline]
    pub(crate) fn of<P, B, E>(
        settings: &Settings<P>,
        parts: &Parts,
        lookup: &mut Lookup<'_>,
        body: &B,
    ) -> Result<Self, TooLate>
    where
        P: Policy<E>,
        B: Body,
    {
        let common = &settings.common;
        let nested = lookup.is_nested();
        let limits = Limits::of(common, lookup.deadline())?;
        let budget = if nested { None } else { common.pay_in(parts) };
        let repeat = if nested || common.attempts.get() == 1 { Repeat::Never } else { settings.policy.repeat(parts) };
        let repeat = match repeat {
            Repeat::Never => Err(Why::Unrepeatable),
            repeat if Keep::takes(body, common.replay_limit) => Ok(repeat),
            _ => Err(Why::BodyTooLarge),
        };
        Ok(Self { limits, repeat, budget, nested })
    }
}

/// Tells the layers below, and the server, what they have to know.
#[inline]
pub(crate) fn mark(parts: &mut Parts, common: &Common, limits: Limits, nested: bool) {
    if limits.deadline != limits.given
        && let Some(deadline) = limits.deadline
    {
        parts.extensions.insert(Deadline::at(deadline.into_std()));
    }
    if !nested {
        common.number(&mut parts.headers, Attempt::FIRST);
    }
}

/// The times of a call.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    /// That of the request.
    pub(crate) given: Option<Instant>,
    /// The earlier of that and the layer's own.
    pub(crate) deadline: Option<Instant>,
    /// When the first try has to be answered.
    pub(crate) by: Option<Instant>,
}

impl Limits {
    /// The clock is read only if there are any.
    #[inline]
    fn of(common: &Common, given: Option<Instant>) -> Result<Self, TooLate> {
        if given.is_none() && common.deadline.is_none() && common.attempt_timeout.is_none() {
            return Ok(Self::default());
        }
        let (deadline, by) = from_now(common, given)?;
        Ok(Self { given, deadline, by })
    }
}

fn from_now(common: &Common, given: Option<Instant>) -> Result<(Option<Instant>, Option<Instant>), TooLate> {
    let now = Instant::now();
    let own = common.deadline.and_then(|time| now.checked_add(time));
    let deadline = earlier(given, own);
    if deadline.is_some_and(|deadline| deadline <= now) {
        return Err(TooLate);
    }
    let by = common.attempt_timeout.and_then(|time| now.checked_add(time));
    Ok((deadline, earlier(by, deadline)))
}
