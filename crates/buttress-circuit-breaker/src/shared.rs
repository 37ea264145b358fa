use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    EventKind, InvalidTransition, Origin, Snapshot, State,
    circuit::Machine,
    clock::Moment,
    entry::{Entry, Ticket},
    gate::Gate,
    lane::Lanes,
    rules::Rules,
    sync::{Mutex, lock},
    telemetry::Telemetry,
    window::{Nanos, Sample},
};

/// A circuit as calls share it: the machine behind a lock, and what calls need to know without it.
#[derive(Debug)]
pub(crate) struct Shared {
    gate: Gate,
    lanes: Lanes,
    rules: Arc<Rules>,
    number: u32,
    began: Moment,
    telemetry: Telemetry,
    machine: Apart<Mutex<Machine>>,
}

/// On cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

/// Whether a call may go, and how the circuit stood.
#[derive(Debug)]
pub(crate) enum Entered {
    /// Without a ticket, nothing is counted.
    Admitted(State, Option<Ticket>),
    Refused(State, Option<Nanos>),
}

impl Shared {
    pub(crate) fn new(lanes: usize, rules: Arc<Rules>, telemetry: Telemetry) -> Arc<Self> {
        let (number, began) = (fresh_number(), Moment::now());
        let machine = Machine::new(number, rules.clone());
        telemetry.census.add(machine.state());
        let gate = Gate::new(&machine);
        Arc::new_cyclic(|this: &Weak<Self>| {
            let lanes = Lanes::new(lanes, &rules, began, this);
            lanes.begin(&machine, began);
            Self { gate, lanes, rules, number, began, telemetry, machine: Apart(Mutex::new(machine)) }
        })
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    #[inline]
    pub(crate) fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Whether this is a ticket of this circuit.
    pub(crate) fn gave(&self, ticket: Ticket) -> bool {
        ticket.circuit() == self.number
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        Moment::now().since(self.began)
    }

    pub(crate) fn state(&self) -> State {
        self.gate.standing().state()
    }

    /// Lets a call in, or not. It takes a lock only if it may be a trial.
    pub(crate) fn enter(&self) -> Entered {
        let standing = self.gate.standing();
        match standing.state() {
            state @ (State::Closed | State::MetricsOnly) => Entered::Admitted(state, Some(standing)),
            State::Disabled => Entered::Admitted(State::Disabled, None),
            State::ForcedOpen => self.refuse(State::ForcedOpen, None),
            State::Open => {
                let now = self.now();
                match self.gate.until().checked_sub(now) {
                    Some(wait @ 1..) => self.refuse(State::Open, Some(wait)),
                    Some(0) | None => self.enter_locked(now),
                }
            }
            State::HalfOpen => self.enter_locked(self.now()),
        }
    }

    #[cold]
    fn enter_locked(&self, now: Nanos) -> Entered {
        let (entry, state) = self.locked(now, |machine, events| (machine.enter(now, events), machine.state()));
        match entry {
            Entry::Admit(ticket) => Entered::Admitted(state, Some(ticket)),
            Entry::Refuse(wait) => self.refuse(state, wait),
        }
    }

    /// Refuses a call that cannot go, since it was refused a moment ago and has not asked the inner service.
    pub(crate) fn turn_away(&self) -> Entered {
        let state = self.state();
        let until = (state == State::Open).then(|| self.gate.until());
        self.refuse(state, until.map(|until| until.saturating_sub(self.now())))
    }

    fn refuse(&self, state: State, wait: Option<Nanos>) -> Entered {
        self.telemetry.tell(0, vec![EventKind::Refused { wait: wait.map(Duration::from_nanos) }]);
        Entered::Refused(state, wait)
    }

    /// Whether a call would be refused now. It changes nothing.
    #[inline]
    pub(crate) fn refuses(&self) -> bool {
        !self.gate.standing().is_closed() && self.refuses_unless_closed()
    }

    #[cold]
    #[inline(never)]
    fn refuses_unless_closed(&self) -> bool {
        match self.state() {
            State::Closed | State::MetricsOnly | State::Disabled => false,
            State::ForcedOpen => true,
            State::Open => self.now() < self.gate.until(),
            State::HalfOpen => lock(&self.machine.0).refuses(self.now()),
        }
    }

    /// Takes the result of a call; `None` says nothing. `now` is the clock, if it has been read already.
    #[cold]
    pub(crate) fn settle(&self, ticket: Ticket, sample: Option<Sample>, now: Option<Nanos>) {
        let now = now.unwrap_or_else(|| self.now());
        self.locked(now, |machine, events| {
            let at = events.len();
            let counted = machine.settle(ticket, sample, now, events);
            events.insert(at, event(sample, counted));
        });
    }

    pub(crate) fn become_state(&self, to: State) -> Result<(), InvalidTransition> {
        let now = self.now();
        self.locked(now, |machine, events| machine.become_state(to, now, events))
    }

    pub(crate) fn reset(&self) {
        let now = self.now();
        self.locked(now, |machine, events| machine.reset(now, events));
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let now = self.now();
        self.telemetry.census.publish();
        self.locked(now, |machine, _| Snapshot::of(machine, now, &self.telemetry))
    }

    /// Does something with the machine, all results in the window, and tells what came of it once the lock is free.
    fn locked<T>(&self, now: Nanos, change: impl FnOnce(&mut Machine, &mut Vec<EventKind>) -> T) -> T {
        let mut events = Vec::new();
        let mut machine = lock(&self.machine.0);
        let successes = self.gather(&mut machine);
        machine.advance(now);
        let done = change(&mut machine, &mut events);
        self.publish(&machine);
        drop(machine);
        self.telemetry.tell(successes, events);
        done
    }

    /// Takes the successes that the threads have counted into the window.
    fn gather(&self, machine: &mut Machine) -> u64 {
        let successes = self.lanes.drain(machine.standing());
        machine.succeed(successes);
        successes
    }

    fn publish(&self, machine: &Machine) {
        self.gate.publish(machine);
        self.lanes.begin(machine, self.began);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut machine = lock(&self.machine.0);
        let successes = self.gather(&mut machine);
        self.telemetry.tell(successes, Vec::new());
        self.telemetry.census.remove(machine.state());
    }
}

/// Never 0, and not given again as long as anybody may remember it.
fn fresh_number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = || LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    Some(number()).filter(|number| *number > 0).unwrap_or_else(number)
}

fn event(sample: Option<Sample>, counted: bool) -> EventKind {
    match sample {
        _ if !counted => EventKind::Late,
        None => EventKind::Ignored,
        Some(Sample { failed: false, slow, .. }) => EventKind::Success { slow },
        Some(Sample { failed: true, slow, local }) => {
            EventKind::Failure { origin: if local { Origin::Local } else { Origin::Peer }, slow }
        }
    }
}
