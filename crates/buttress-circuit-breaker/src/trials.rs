use crate::{
    TrialRule,
    entry::Ticket,
    exceeded::Exceeded,
    rules::Rules,
    window::{Counts, Nanos, Sample},
};

/// The trial calls of a half-open circuit: so many places, each taken by a call that runs or by the result of one.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    running: Vec<Running>,
    judged: Counts,
    last: u64,
}

#[derive(Debug)]
struct Running {
    id: u64,
    lapses: Nanos,
}

impl Trials {
    /// Takes a place, if there is one of `places`, until it is judged, given back, or `lapses`.
    pub(crate) fn admit(&mut self, now: Nanos, places: u32, lapses: Nanos) -> Option<u64> {
        self.running.retain(|trial| trial.lapses > now);
        if !self.has_place(now, places) {
            return None;
        }
        self.last = (self.last + 1) % Ticket::NUMBERS;
        self.running.push(Running { id: self.last, lapses });
        Some(self.last)
    }

    pub(crate) fn has_place(&self, now: Nanos, places: u32) -> bool {
        self.running(now) + self.judged.calls < u64::from(places)
    }

    pub(crate) fn running(&self, now: Nanos) -> u64 {
        self.running.iter().filter(|trial| trial.lapses > now).count() as u64
    }

    /// Gives a place back. Whether the trial still had one.
    pub(crate) fn give_back(&mut self, id: u64, now: Nanos) -> bool {
        let Some(at) = self.running.iter().position(|trial| trial.id == id) else { return false };
        self.running.swap_remove(at).lapses > now
    }

    /// Puts the result of a trial in its place.
    pub(crate) fn judge(&mut self, sample: Sample) {
        self.judged += sample.into();
    }

    /// Whether the service is back; `None` while nobody knows.
    pub(crate) fn went_well(&self, rules: &Rules) -> Option<bool> {
        let counts = self.judged;
        let done = counts.calls >= u64::from(rules.trials);
        let badly = match rules.trial_rule {
            TrialRule::Every => counts.failures > 0 || (rules.slow_rate.is_some() && counts.slow > 0),
            TrialRule::Rates => done && Exceeded::in_trials(rules, counts),
        };
        (badly || done).then_some(!badly)
    }

    pub(crate) fn judged(&self) -> Counts {
        self.judged
    }

    /// Begins anew, with ids that were never given before.
    pub(crate) fn clear(&mut self) {
        self.running.clear();
        self.judged = Counts::default();
    }
}
