use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::time::Instant;

use crate::{
    Circuit, InvalidPolicy, Keys, State,
    meter::Census,
    rules::{Rules, saturating},
    shared::Shared,
    sync::lanes,
    telemetry::Telemetry,
    window::Nanos,
};

/// The circuits of a layer, by key.
pub(crate) struct Registry {
    pub(crate) keys: Keys,
    make: Make,
    began: Instant,
    known: RwLock<Known>,
}

/// What circuits are made of.
#[derive(Clone, Debug)]
pub(crate) struct Make {
    pub(crate) name: Arc<str>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) census: Arc<Census>,
}

#[derive(Default)]
struct Known {
    circuits: HashMap<Arc<str>, Entry>,
    swept: Nanos,
    stuck_until: Nanos,
}

struct Entry {
    circuit: Circuit,
    used: AtomicU64,
}

impl Make {
    pub(crate) fn new(name: Arc<str>, rules: Rules) -> Self {
        Self { census: Arc::new(Census::new(name.clone())), name, rules: Arc::new(rules) }
    }

    pub(crate) fn circuit(&self, key: Option<Arc<str>>) -> Circuit {
        let Self { name, rules, census } = self;
        // Whoever looks one up by its key meets the others there: lanes of their own would not part them.
        let lanes = if key.is_some() { 1 } else { lanes() };
        let telemetry = Telemetry::new(name.clone(), key, census.clone(), rules.hook.clone());
        Circuit::new(Shared::new(lanes, rules.clone(), telemetry))
    }
}

impl Registry {
    pub(crate) fn new(keys: Keys, make: Make) -> Result<Self, InvalidPolicy> {
        if !(1..=100_000).contains(&keys.most) {
            return Err(InvalidPolicy { setting: "at_most", problem: "must be from 1 to 100000 circuits" });
        }
        if keys.idle.is_zero() {
            return Err(InvalidPolicy { setting: "idle_after", problem: "must be longer than nothing" });
        }
        Ok(Self { keys, make, began: Instant::now(), known: RwLock::default() })
    }

    pub(crate) fn get(&self, key: &str) -> Option<Circuit> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.circuits.get(key).map(|entry| entry.circuit.clone())
    }

    pub(crate) fn all(&self) -> Vec<Circuit> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.circuits.values().map(|entry| entry.circuit.clone()).collect()
    }

    /// The circuit of a key for a call, made if it is new; `None` if there is no room for it.
    pub(crate) fn use_circuit(&self, key: &str) -> Option<Circuit> {
        let now = saturating(self.began.elapsed());
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.circuits.get(key) {
            entry.used.store(now, Ordering::Relaxed);
            return Some(entry.circuit.clone());
        }
        drop(known);
        self.admit(key, now)
    }

    fn admit(&self, key: &str, now: Nanos) -> Option<Circuit> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.circuits.get(key) {
            return Some(entry.circuit.clone());
        }
        let gone = self.make_room(&mut known, now);
        let circuit = (known.circuits.len() < self.keys.most).then(|| {
            let key: Arc<str> = key.into();
            let circuit = self.make.circuit(Some(key.clone()));
            known.circuits.insert(key, Entry { circuit: circuit.clone(), used: AtomicU64::new(now) });
            circuit
        });
        drop(known);
        // Their last counts go to the recorder: without the lock.
        drop(gone);
        circuit
    }

    /// Takes out what is idle, from time to time and when it is full; if it still is, up to an eighth of its room from
    /// those that are closed.
    fn make_room(&self, known: &mut Known, now: Nanos) -> Vec<Entry> {
        let idle = saturating(self.keys.idle);
        let full = known.circuits.len() >= self.keys.most;
        let too_early = if full { now < known.stuck_until } else { now.saturating_sub(known.swept) < idle };
        if too_early {
            return Vec::new();
        }
        known.swept = now;
        let mut gone = self.take(known, |entry| now.saturating_sub(entry.used()) >= idle);
        if known.circuits.len() >= self.keys.most {
            gone.extend(self.take_closed(known));
        }
        if known.circuits.len() >= self.keys.most {
            // Nothing but open ones: it does not look at all of them again for each call.
            known.stuck_until = now.saturating_add(SECOND);
        }
        gone
    }

    /// Takes out the closed circuits that were used least recently.
    fn take_closed(&self, known: &mut Known) -> Vec<Entry> {
        let closed = |entry: &Entry| entry.circuit.state() == State::Closed || self.is_as_made(entry);
        let mut used: Vec<_> = known.circuits.values().filter(|entry| closed(entry)).map(Entry::used).collect();
        let some = (self.keys.most / 8).max(1).min(used.len());
        if some == 0 {
            return Vec::new();
        }
        let (_, last, _) = used.select_nth_unstable(some - 1);
        let (last, mut left) = (*last, some);
        self.take(known, |entry| {
            let takes = left > 0 && entry.used() <= last && closed(entry);
            left -= usize::from(takes);
            takes
        })
    }

    /// Takes out what is to go, but for what somebody holds by hand.
    fn take(&self, known: &mut Known, mut goes: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
        let held = |entry: &Entry| {
            let by_hand = matches!(entry.circuit.state(), State::ForcedOpen | State::Disabled | State::MetricsOnly);
            by_hand && !self.is_as_made(entry)
        };
        known.circuits.extract_if(|_, entry| !held(entry) && goes(entry)).map(|(_, entry)| entry).collect()
    }

    fn is_as_made(&self, entry: &Entry) -> bool {
        entry.circuit.state() == self.make.rules.initial
    }
}

impl Entry {
    fn used(&self) -> Nanos {
        self.used.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("name", &self.make.name).field("keys", &self.keys).finish_non_exhaustive()
    }
}

const SECOND: Nanos = 1_000_000_000;
