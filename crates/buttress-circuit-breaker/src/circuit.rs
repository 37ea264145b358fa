use std::sync::Arc;

use crate::{
    Cause, EventKind, HalfOpenEnd, InvalidTransition, Origin, State,
    entry::{Entry, Ticket},
    exceeded::Exceeded,
    rules::Rules,
    trials::Trials,
    trips::Trips,
    window::{Counts, Nanos, Results, Sample},
};

/// The state machine of one circuit: no clock, no lock, nothing but decisions.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Of its circuit.
    number: u32,
    rules: Arc<Rules>,
    state: State,
    /// Counts the states it has been in: what began in an earlier one changes nothing (CBK-7).
    generation: u64,
    results: Results,
    /// Failures since the last success.
    in_a_row: u32,
    trials: Trials,
    since: Nanos,
    trips: Trips,
    /// What has been told, so that it is told once.
    exceeded: Exceeded,
}

/// What came of a decision, to be told.
pub(crate) type Events = Vec<EventKind>;

impl Machine {
    pub(crate) fn new(number: u32, rules: Arc<Rules>) -> Self {
        let mut machine = Self {
            number,
            state: rules.initial,
            generation: 0,
            results: rules.results(),
            in_a_row: 0,
            trials: Trials::default(),
            since: 0,
            trips: Trips::new(rules.seed()),
            exceeded: Exceeded::default(),
            rules,
        };
        if machine.state == State::Open {
            machine.trips.open(0, &machine.rules.open_for);
        }
        machine
    }

    /// Lets a call in, or not.
    pub(crate) fn enter(&mut self, now: Nanos, events: &mut Events) -> Entry {
        self.lapse(now, events);
        if self.state == State::Open && now >= self.trips.until() {
            self.go(State::HalfOpen, Cause::OpenTimeOver, None, now, events);
        }
        match self.state {
            State::Closed | State::Disabled | State::MetricsOnly => Entry::Admit(self.standing()),
            State::Open => Entry::Refuse(Some(self.trips.until() - now)),
            State::ForcedOpen => Entry::Refuse(None),
            State::HalfOpen => {
                let lapses = now.saturating_add(self.rules.trial_lease);
                let trial = self.trials.admit(now, self.rules.trials, lapses);
                trial.map_or(Entry::Refuse(None), |trial| {
                    Entry::Admit(Ticket::of_trial(self.number, trial, self.rules.slow_after.is_some()))
                })
            }
        }
    }

    /// Whether a call would be refused now. It changes nothing.
    pub(crate) fn refuses(&self, now: Nanos) -> bool {
        match self.state {
            State::Closed | State::Disabled | State::MetricsOnly => false,
            State::Open => now < self.trips.until(),
            State::ForcedOpen => true,
            State::HalfOpen => {
                // If its time is over, `enter` knows what is next.
                let over = self.over().is_some_and(|(over, _)| now >= over);
                !over && !self.trials.has_place(now, self.rules.trials)
            }
        }
    }

    /// Takes the result of a call; `None` says nothing. Whether it still counted.
    pub(crate) fn settle(&mut self, ticket: Ticket, sample: Option<Sample>, now: Nanos, events: &mut Events) -> bool {
        self.lapse(now, events);
        if let Some(trial) = ticket.trial() {
            return self.settle_trial(trial, sample, now, events);
        }
        // Whether it was slow is in the sample.
        if ticket.with_slow(false) != self.standing() {
            return false;
        }
        match (self.state, sample) {
            (State::Closed | State::MetricsOnly, Some(sample)) => {
                self.record(sample, now);
                self.judge(now, events);
                true
            }
            (State::Closed | State::MetricsOnly, None) => true,
            (State::Open | State::HalfOpen | State::ForcedOpen | State::Disabled, _) => false,
        }
    }

    /// Takes as many quick successes that belong to this generation, and to the bucket that was the running one.
    pub(crate) fn succeed(&mut self, calls: u64) {
        if calls > 0 && self.state.counts() {
            self.results.succeed(self.bucket(), calls);
            self.in_a_row = 0;
        }
    }

    /// Lets go of what is too old for the window.
    pub(crate) fn advance(&mut self, now: Nanos) {
        self.results.advance(self.rules.bucket_at(now));
    }

    /// Goes to another state by hand (CBK-12).
    pub(crate) fn become_state(&mut self, to: State, now: Nanos, events: &mut Events) -> Result<(), InvalidTransition> {
        self.lapse(now, events);
        if !self.state.may_become(to) {
            return Err(InvalidTransition { from: self.state, to });
        }
        if self.state != to {
            self.go(to, Cause::Manual, None, now, events);
        }
        Ok(())
    }

    /// Closes the circuit and forgets everything.
    pub(crate) fn reset(&mut self, now: Nanos, events: &mut Events) {
        if self.state == State::Closed {
            self.begin(State::Closed, now);
        } else {
            self.go(State::Closed, Cause::Manual, None, now, events);
        }
        self.trips.forget();
        events.push(EventKind::Reset);
    }

    /// Whether a success must be told at once: it may be the call that was missing from the minimum.
    pub(crate) fn watches_successes(&self) -> bool {
        let waits = Exceeded::waits(&self.rules, self.results.sum());
        // What is told once has to be seen to end. Where nothing goes into the window, every result is looked at.
        !self.state.counts() || waits || self.exceeded != Exceeded::default() || self.rules.hook.is_some()
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// How it stands, which is the right to a call that is let in now and is no trial.
    pub(crate) fn standing(&self) -> Ticket {
        Ticket::of_generation(self.number, self.generation, self.state, self.rules.slow_after.is_some())
    }

    fn bucket(&self) -> u64 {
        self.results.bucket()
    }

    /// When the running bucket ends; `None` of a window of calls.
    pub(crate) fn bucket_ends(&self) -> Option<Nanos> {
        self.rules.bucket.map(|length| (self.bucket() + 1).saturating_mul(length))
    }

    pub(crate) fn until(&self) -> Nanos {
        self.trips.until()
    }

    /// What counts in this state: the window, or the trials.
    pub(crate) fn counts(&self) -> Counts {
        if self.state == State::HalfOpen { self.trials.judged() } else { self.results.sum() }
    }

    pub(crate) fn failures_in_a_row(&self) -> u32 {
        self.in_a_row
    }

    pub(crate) fn trials_running(&self, now: Nanos) -> u64 {
        self.trials.running(now)
    }

    /// HalfOpen → (Open | Closed), as of the moment when its time was over.
    fn lapse(&mut self, now: Nanos, events: &mut Events) {
        let Some((over, end)) = self.over().filter(|(over, _)| self.state == State::HalfOpen && now >= *over) else {
            return;
        };
        let to = match end {
            HalfOpenEnd::Open => State::Open,
            HalfOpenEnd::Closed => State::Closed,
        };
        self.go(to, Cause::HalfOpenTimeOver, None, over, events);
    }

    /// When it has been half open for too long, and what comes then.
    fn over(&self) -> Option<(Nanos, HalfOpenEnd)> {
        self.rules.half_open_for.map(|(time, end)| (self.since.saturating_add(time), end))
    }

    fn settle_trial(&mut self, trial: u64, sample: Option<Sample>, now: Nanos, events: &mut Events) -> bool {
        if !self.trials.give_back(trial, now) {
            return false;
        }
        if let Some(sample) = sample {
            self.trials.judge(sample);
            self.judge_trials(now, events);
        }
        true
    }

    /// HalfOpen → (HalfOpen | Open | Closed)
    fn judge_trials(&mut self, now: Nanos, events: &mut Events) {
        match self.trials.went_well(&self.rules) {
            None => {}
            Some(true) => self.go(State::Closed, Cause::TrialsSucceeded, None, now, events),
            Some(false) => self.go(State::Open, Cause::TrialsFailed, self.trials.judged().origin(), now, events),
        }
    }

    fn record(&mut self, sample: Sample, now: Nanos) {
        // A thread may be late: its result belongs to the past, if not too far.
        self.results.record(self.rules.bucket_at(now), sample);
        self.in_a_row = if sample.failed { self.in_a_row.saturating_add(1) } else { 0 };
    }

    /// Closed → (Closed | Open); one that only counts tells what it would have done.
    fn judge(&mut self, now: Nanos, events: &mut Events) {
        let counts = self.results.sum();
        let exceeded = Exceeded::of(&self.rules, counts, self.in_a_row);
        exceeded.tell(self.exceeded, counts, self.in_a_row, events);
        self.exceeded = exceeded;
        if let (State::Closed, Some(cause)) = (self.state, exceeded.cause()) {
            self.go(State::Open, cause, counts.origin(), now, events);
        }
    }

    fn go(&mut self, to: State, cause: Cause, origin: Option<Origin>, now: Nanos, events: &mut Events) {
        let from = self.state;
        if from == State::Closed {
            self.trips.rest(now.saturating_sub(self.since));
        }
        self.begin(to, now);
        let open_for = (to == State::Open).then(|| self.trips.open(now, &self.rules.open_for));
        events.push(EventKind::Transition { from, to, cause, origin, open_for });
    }

    /// Begins a state with nothing in it.
    fn begin(&mut self, state: State, now: Nanos) {
        self.state = state;
        self.generation += 1;
        self.since = now;
        self.results.clear();
        self.results.advance(self.rules.bucket_at(now));
        self.trials.clear();
        self.in_a_row = 0;
        self.exceeded = Exceeded::default();
    }
}
