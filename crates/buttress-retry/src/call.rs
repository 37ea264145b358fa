use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use buttress_core::{Attempt, Body, CorrelationId, Problem, ProblemCode};
use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use crate::{
    Budget, Outcome, Policy, Repeat, ReplayBody, Reread, Verdict, Why,
    keep::Keep,
    open::Limits,
    outcome::Answer,
    reading::{Drain, Reading, is_readable},
    settings::Settings,
};

/// What is known of a call for as long as it lasts.
pub(crate) struct Call<S, P, ReqB> {
    pub(crate) settings: Arc<Settings<P>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) attempt: Attempt,
    pub(crate) waited: Duration,
    pub(crate) given_back: bool,
    pub(crate) kept: Result<Again<S, ReqB>, Sent>,
}

/// What another try needs.
pub(crate) struct Again<S, ReqB> {
    pub(crate) service: S,
    pub(crate) keep: Keep<ReqB>,
    pub(crate) repeat: Repeat,
    pub(crate) budget: Option<Budget>,
}

/// There is no other try, because of this.
pub(crate) struct Sent {
    pub(crate) why: Why,
    pub(crate) id: Option<CorrelationId>,
}

/// What to do next.
pub(crate) enum Turn<B: http_body::Body, E> {
    Return(Result<Response<Body<Reread<B>>>, E>),
    Read(Box<Reading<B>>),
    /// Drains a failure before a try that is due then or at once.
    Drain(Drain<B>, Option<Instant>),
    Wait(Instant),
    /// Asks the service whether it is ready; it has to be, and to answer, by this time.
    Ready(Option<Instant>),
    Start,
}

impl<S, P, ReqB> Call<S, P, ReqB> {
    #[inline]
    pub(crate) fn new(settings: &Arc<Settings<P>>, limits: Limits, kept: Result<Again<S, ReqB>, Sent>) -> Self {
        let (settings, deadline) = (settings.clone(), limits.deadline);
        Self { settings, deadline, attempt: Attempt::FIRST, waited: Duration::ZERO, given_back: false, kept }
    }
}

impl<S, P, ReqB: http_body::Body> Call<S, P, ReqB> {
    /// What an answer is worth. None: it is a failure that may pass, and has to be looked at.
    #[inline]
    pub(crate) fn judge<B, E>(&self, response: &Response<B>) -> Option<Verdict>
    where
        P: Policy<E>,
    {
        let answer = Answer::of(response);
        (!answer.may_pass()).then(|| self.settings.policy.judge(&Outcome::Answer(answer)))
    }

    /// A try was answered with a failure.
    #[cold]
    pub(crate) fn settle<B, E>(&mut self, response: Response<B>, verdict: Option<Verdict>) -> Turn<B, E>
    where
        P: Policy<E>,
        B: http_body::Body,
    {
        let answer = Answer::of_failure(&response);
        if verdict.is_none() && self.reads(response.body(), &answer) {
            return Turn::Read(Box::new(Reading::new(response, self.settings.common.drain_bytes)));
        }
        let outcome = Outcome::Answer(answer);
        let verdict = verdict.unwrap_or_else(|| self.settings.policy.judge(&outcome));
        match self.after(verdict, &outcome) {
            Some(delay) => self.retry(delay, response.into_body()),
            None => Turn::Return(Ok(hand_on(response))),
        }
    }

    /// A try ended with an error.
    #[cold]
    pub(crate) fn fail<B, E>(&mut self, error: E) -> Turn<B, E>
    where
        P: Policy<E>,
        B: http_body::Body,
    {
        match self.next(&Outcome::Error(&error)) {
            Some(delay) => self.wait(due(delay)),
            None => Turn::Return(Err(error)),
        }
    }

    /// The body of a failure was read, as far as it may be.
    pub(crate) fn read<B, E>(&mut self, reading: Reading<B>) -> Turn<B, E>
    where
        P: Policy<E>,
        B: http_body::Body,
    {
        match self.next(&Outcome::Answer(Answer::read(&reading.head, reading.told()))) {
            // More of it than was read is not worth it: it is dropped.
            Some(delay) => self.wait(due(delay)),
            None => Turn::Return(Ok(reading.into_response().map(Body::inner))),
        }
    }

    /// A try took too long.
    pub(crate) fn time_out<B, E>(&mut self) -> Turn<B, E>
    where
        P: Policy<E>,
        B: http_body::Body,
    {
        match self.next(&Outcome::TimedOut) {
            Some(delay) => self.wait(due(delay)),
            None => Turn::Return(Ok(self.too_late())),
        }
    }

    /// A try took too long before it could be sent: its place below, or in line for one, is for others.
    pub(crate) fn not_ready_in_time<B, E>(&mut self) -> Turn<B, E>
    where
        S: Clone,
        P: Policy<E>,
        B: http_body::Body,
    {
        let service = self.service();
        *service = service.clone();
        self.time_out()
    }

    /// Until the next try is due.
    pub(crate) fn wait<B: http_body::Body, E>(&self, due: Option<Instant>) -> Turn<B, E> {
        match due {
            Some(due) => Turn::Wait(due),
            None => Turn::Ready(self.try_by()),
        }
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// What the next try goes to.
    pub(crate) fn service(&mut self) -> &mut S {
        &mut again(&mut self.kept).service
    }

    /// The next try: a service that is ready, and the request for it.
    pub(crate) fn request(&mut self) -> (&mut S, Request<ReplayBody<ReqB>>) {
        let Self { settings, attempt, kept, .. } = self;
        let Again { service, keep, .. } = again(kept);
        (service, keep.request(*attempt, &settings.common))
    }

    /// When a try that starts now has to be answered.
    fn try_by(&self) -> Option<Instant> {
        let common = &self.settings.common;
        let by = common.attempt_timeout.and_then(|time| Instant::now().checked_add(time));
        earlier(by, self.deadline)
    }

    /// Until when a failure may be read, from now on.
    pub(crate) fn read_by(&self) -> Option<Instant> {
        earlier(Instant::now().checked_add(self.settings.common.drain_time), self.deadline)
    }

    /// Whether the body of a failure has to say what its head does not.
    fn reads<B: http_body::Body>(&self, body: &B, answer: &Answer<'_>) -> bool {
        let common = &self.settings.common;
        self.kept.is_ok()
            && self.attempt.number() < common.attempts.get()
            && is_readable(body, answer.signals().content_type, common.drain_bytes)
            && answer.says_nothing()
    }

    /// Tries again, once the body of a failure is out of the way.
    fn retry<B: http_body::Body, E>(&self, delay: Duration, failed: B) -> Turn<B, E> {
        let due = due(delay);
        match Drain::new(failed, self.settings.common.drain_bytes) {
            Some(drain) => Turn::Drain(drain, due),
            None => self.wait(due),
        }
    }

    fn too_late<B>(&self) -> Response<Body<B>> {
        let repeatable = self.kept.as_ref().is_ok_and(|kept| kept.repeat == Repeat::Always);
        too_late(repeatable, self.id())
    }
}

fn due(delay: Duration) -> Option<Instant> {
    if delay.is_zero() { None } else { Instant::now().checked_add(delay) }
}

fn again<S, ReqB>(kept: &mut Result<Again<S, ReqB>, Sent>) -> &mut Again<S, ReqB> {
    let Ok(again) = kept else { unreachable!("only what is kept is tried again") };
    again
}

/// No answer in time. It may be tried again later only if two are as good as one.
pub(crate) fn too_late<B>(repeatable: bool, id: Option<&CorrelationId>) -> Response<Body<B>> {
    // Written once: behind a server that stands still it is told to everybody.
    static ONCE: LazyLock<Problem> = LazyLock::new(|| no_answer().prepared());
    static REPEATABLE: LazyLock<Problem> = LazyLock::new(|| no_answer().may_retry().prepared());
    let problem = if repeatable { &REPEATABLE } else { &ONCE };
    Problem::clone(problem).into_response(id)
}

fn no_answer() -> Problem {
    const CODE: ProblemCode = ProblemCode::new("upstream_timeout");
    Problem::new(StatusCode::GATEWAY_TIMEOUT, CODE, "there was no answer in time").refused_by("retry")
}

/// An answer as it came.
#[inline]
pub(crate) fn hand_on<B: http_body::Body>(response: Response<B>) -> Response<Body<Reread<B>>> {
    response.map(|body| Body::inner(Reread::unread(body)))
}

pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
