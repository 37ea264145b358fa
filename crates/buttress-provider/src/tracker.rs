//! What to make of each look at a job: no clock, no I/O.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{Hint, Job, JobError, JobEvent, JobEventKind, JobStatus, ProviderError, ProviderErrorKind, Schedule};

/// Turns looks, hints and the time into events, and says when to look again.
#[derive(Debug)]
pub(crate) struct Tracker {
    job: Job,
    schedule: Schedule,
    started: Instant,
    /// The wait after the next look.
    wait: Duration,
    next_look: Instant,
    /// The provider asked to be left alone until then; no hint is a reason to disturb it.
    hold: Option<Instant>,
    last_look: Option<Instant>,
    trouble: Option<Trouble>,
    events: VecDeque<JobEvent>,
}

/// The provider does not answer.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    told: bool,
}

impl Tracker {
    /// Starts with the news that the job was accepted, and with what was known about it then.
    pub(crate) fn new(job: Job, schedule: Schedule, now: Instant) -> Self {
        let accepted = Job::new(job.id.clone(), job.kind);
        let mut tracker = Self {
            events: VecDeque::from([JobEvent::of(&accepted, JobEventKind::Queued)]),
            job: accepted,
            started: now,
            wait: schedule.first,
            next_look: later(now, Schedule::jittered(schedule.first, fastrand::f64())),
            hold: None,
            last_look: None,
            trouble: None,
            schedule,
        };
        tracker.seen(job);
        tracker
    }

    /// The next event to tell.
    pub(crate) fn next_event(&mut self) -> Option<JobEvent> {
        self.events.pop_front()
    }

    /// Whether there is nothing left to look for.
    pub(crate) fn is_over(&self) -> bool {
        self.job.status.is_terminal()
    }

    /// When to look next: at the deadline once more, whatever else is said.
    pub(crate) fn next_look(&self) -> Instant {
        let wanted = self.hold.map_or(self.next_look, |hold| hold.max(self.next_look));
        wanted.min(self.deadline())
    }

    /// When to stop waiting for a look that is under way.
    pub(crate) fn patience(&self) -> Instant {
        later(self.deadline(), Schedule::LAST_LOOK)
    }

    fn deadline(&self) -> Instant {
        later(self.started, self.schedule.deadline)
    }

    /// A look begins.
    pub(crate) fn looking(&mut self, now: Instant) {
        (self.last_look, self.hold) = (Some(now), None);
        self.next_look = later(now, Schedule::jittered(self.wait, fastrand::f64()));
        self.wait = self.schedule.grown(self.wait);
    }

    /// Something may have happened: look soon, and often for a while. Nothing that a hint says is believed, so that a
    /// channel that lies costs a look and no result.
    pub(crate) fn hinted(&mut self, hint: Hint, now: Instant) {
        if let Hint::Progress(figure) = hint {
            let newer = Job { progress: Some(figure.clamp(0.0, 1.0)), ..self.job.clone() };
            return self.seen(newer.status(JobStatus::Running));
        }
        let soonest = self.last_look.map_or(now, |last| later(last, Schedule::MIN_GAP));
        self.next_look = self.next_look.min(soonest.max(now));
        self.wait = self.schedule.first;
    }

    /// A look ended.
    pub(crate) fn looked(&mut self, outcome: Result<Job, ProviderError>, now: Instant) {
        match outcome {
            Ok(job) => {
                let told = self.trouble.take().is_some_and(|trouble| trouble.told);
                let events = self.events.len();
                self.seen(job);
                if told && self.events.len() == events && !self.is_over() {
                    self.tell(JobEventKind::Progress);
                }
            }
            Err(error) => self.stumbled(&error, now),
        }
        self.expire(now);
    }

    /// The time is up, if it is: after a last look, or instead of one that takes too long.
    pub(crate) fn expire(&mut self, now: Instant) {
        if now >= self.deadline() && !self.is_over() {
            self.end(JobError::new("provider_timeout", "the job did not end in time", true));
        }
    }

    fn seen(&mut self, newer: Job) {
        if !self.job.advance(newer) {
            return;
        }
        match self.job.status {
            JobStatus::Queued => {}
            JobStatus::Running | JobStatus::Unknown(_) => self.tell(JobEventKind::Progress),
            JobStatus::Completed => {
                self.tell(JobEventKind::Artifact);
                self.tell(JobEventKind::Completed);
            }
            JobStatus::Cancelled => {
                let cancelled = JobError::new("job_cancelled", "the job was cancelled", false);
                self.job.error.get_or_insert(cancelled);
                self.tell(JobEventKind::Failed);
            }
            JobStatus::Failed => {
                self.job.error.get_or_insert_with(|| JobError::failed("the provider gave no reason"));
                self.tell(JobEventKind::Failed);
            }
        }
    }

    fn stumbled(&mut self, error: &ProviderError, now: Instant) {
        use ProviderErrorKind as Kind;
        if let Some(delay) = error.delay() {
            self.hold = Some(later(now, delay.min(Schedule::MAX_HOLD)));
        }
        match error.kind() {
            Kind::NotFound if now < later(self.started, self.schedule.grace) => {}
            // Being asked to slow down is an answer: it never ends a job.
            Kind::RateLimited => self.trouble = None,
            Kind::Unavailable | Kind::Timeout | Kind::Decode => self.troubled(error, "provider_unreachable", now),
            // The job is paid for and goes on, whatever the provider has against this look.
            _ => self.troubled(error, "provider_refusing", now),
        }
    }

    /// One failure is told to nobody; the second one in a row is; what lasts ends the job.
    fn troubled(&mut self, error: &ProviderError, step: &'static str, now: Instant) {
        let Some(trouble) = &mut self.trouble else {
            self.trouble = Some(Trouble { since: self.last_look.unwrap_or(now), told: false });
            self.wait = self.schedule.first;
            return;
        };
        if now >= later(trouble.since, self.schedule.outage) {
            return self.end(error.to_job_error());
        }
        if !std::mem::replace(&mut trouble.told, true) {
            let seen = self.job.clone().step(step);
            self.events.push_back(JobEvent::of(&seen, JobEventKind::Progress));
        }
    }

    fn end(&mut self, error: JobError) {
        let ended = self.job.clone().failed(error);
        self.seen(ended);
    }

    fn tell(&mut self, kind: JobEventKind) {
        self.events.push_back(JobEvent::of(&self.job, kind));
    }
}

/// `at + wait`, or a moment that nobody lives to see: the waits come from settings and from strangers.
fn later(at: Instant, wait: Duration) -> Instant {
    const AGES: Duration = Duration::from_secs(30 * 365 * 24 * 3_600);
    at.checked_add(wait).unwrap_or_else(|| at + AGES)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::MediaKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn job() -> Job {
        Job::new("j".parse().unwrap(), MediaKind::Image)
    }

    fn running() -> Job {
        job().status(JobStatus::Running).step("generating")
    }

    fn done() -> Job {
        job().completed("j".parse().unwrap())
    }

    fn failing(kind: ProviderErrorKind) -> Result<Job, ProviderError> {
        Err(ProviderError::new(kind, "why"))
    }

    fn tracker() -> (Tracker, Instant) {
        let now = Instant::now();
        (Tracker::new(job(), Schedule::default(), now), now)
    }

    fn told(tracker: &mut Tracker) -> Vec<(JobEventKind, String)> {
        std::iter::from_fn(|| tracker.next_event()).map(|event| (event.kind, event.step.into_owned())).collect()
    }

    #[test]
    fn a_job_tells_its_life_once() {
        let (mut tracker, now) = tracker();
        for _ in 0..3 {
            tracker.looked(Ok(running()), now);
        }
        tracker.looked(Ok(running().step("finalising")), now);
        tracker.looked(Ok(done()), now);
        tracker.looked(Ok(done()), now);
        let expected = [
            (JobEventKind::Queued, "submitted"),
            (JobEventKind::Progress, "generating"),
            (JobEventKind::Progress, "finalising"),
            (JobEventKind::Artifact, "finalising"),
            (JobEventKind::Completed, "done"),
        ];
        assert_eq!(told(&mut tracker), expected.map(|(kind, step)| (kind, step.to_owned())));
        assert!(tracker.is_over());
    }

    #[test]
    fn what_was_known_when_the_job_was_accepted_is_told_at_once() {
        let mut tracker = Tracker::new(running(), Schedule::default(), Instant::now());
        assert_eq!(told(&mut tracker).len(), 2);
    }

    // AIC-12
    #[test]
    fn hints_bring_a_look_forward_but_not_in_a_flood() {
        let (mut tracker, now) = tracker();
        tracker.hinted(Hint::Changed, now);
        assert_eq!(tracker.next_look(), now);
        tracker.looking(now);
        for _ in 0..100 {
            tracker.hinted(Hint::Changed, now);
        }
        assert_eq!(tracker.next_look(), now + Schedule::MIN_GAP);
    }

    #[test]
    fn a_figure_is_told_only_when_the_provider_sends_one() {
        let (mut tracker, now) = tracker();
        tracker.hinted(Hint::Progress(0.25), now);
        tracker.hinted(Hint::Progress(f64::INFINITY), now);
        let figures: Vec<_> = std::iter::from_fn(|| tracker.next_event()).map(|event| event.progress).collect();
        assert_eq!(figures, [None, Some(0.25), Some(1.0)]);
        assert!(!tracker.is_over(), "a full bar is no result");
    }

    #[test]
    fn a_new_job_may_be_unknown_for_a_while_but_not_for_ever() {
        let (mut tracker, now) = tracker();
        for second in [1, 29] {
            tracker.looked(failing(ProviderErrorKind::NotFound), now + second * SECOND);
            assert!(tracker.trouble.is_none());
        }
        for second in [30, 59, 61] {
            assert!(!tracker.is_over());
            tracker.looked(failing(ProviderErrorKind::NotFound), now + second * SECOND);
        }
        assert!(tracker.is_over());
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_too() {
        let (mut tracker, now) = tracker();
        tracker.looked(Ok(running()), now);
        for second in 1..5 {
            tracker.looked(failing(ProviderErrorKind::Unavailable), now + second * SECOND);
        }
        tracker.looked(Ok(running()), now + 6 * SECOND);
        let steps: Vec<_> = told(&mut tracker).into_iter().map(|(_, step)| step).collect();
        assert_eq!(steps, ["submitted", "generating", "provider_unreachable", "generating"]);
    }

    #[test]
    fn a_lasting_outage_ends_the_job_as_unavailable() {
        let (mut tracker, now) = tracker();
        tracker.looking(now);
        for second in [1, 29] {
            tracker.looked(failing(ProviderErrorKind::Unavailable), now + second * SECOND);
            assert!(!tracker.is_over());
        }
        tracker.looked(failing(ProviderErrorKind::Unavailable), now + 30 * SECOND);
        let last = std::iter::from_fn(|| tracker.next_event()).last().unwrap();
        let error = last.error.unwrap();
        assert_eq!((error.code.as_ref(), error.retryable), ("provider_unavailable", true));
    }

    fn slow_down(delay: Duration) -> Result<Job, ProviderError> {
        Err(ProviderError::new(ProviderErrorKind::RateLimited, "slow").with_delay(delay))
    }

    #[test]
    fn being_asked_to_slow_down_is_obeyed_against_every_hint_and_never_ends_a_job() {
        let (mut tracker, now) = tracker();
        for _ in 0..100 {
            tracker.looked(slow_down(40 * SECOND), now + 60 * SECOND);
            tracker.hinted(Hint::Changed, now + 60 * SECOND);
        }
        assert!(!tracker.is_over());
        assert_eq!(tracker.next_look(), now + 100 * SECOND);
        tracker.looking(now + 100 * SECOND);
        assert!(tracker.next_look() < now + 110 * SECOND, "the wait is over");
    }

    #[test]
    fn no_wait_that_a_provider_names_makes_a_job_forgotten() {
        for delay in [Duration::MAX, Duration::from_secs(u64::MAX), 86_400 * SECOND] {
            let (mut tracker, now) = tracker();
            tracker.looked(slow_down(delay), now);
            assert_eq!(tracker.next_look(), now + Schedule::MAX_HOLD);
            let down = ProviderError::new(ProviderErrorKind::Unavailable, "down").with_delay(delay);
            tracker.looked(Err(down), now);
            assert_eq!(tracker.next_look(), now + Schedule::MAX_HOLD);
        }
        let endless = Schedule::default().deadline(Duration::MAX).outage(Duration::MAX).grace(Duration::MAX);
        let mut tracker = Tracker::new(job(), endless, Instant::now());
        tracker.looked(failing(ProviderErrorKind::NotFound), Instant::now());
        tracker.looked(failing(ProviderErrorKind::Unavailable), Instant::now());
        assert!(!tracker.is_over() && tracker.patience() > Instant::now());
    }

    #[test]
    fn a_refusal_of_a_look_is_survived_and_only_a_lasting_one_ends_the_job() {
        use ProviderErrorKind as Kind;
        for kind in [Kind::Unauthorized, Kind::InsufficientCredit, Kind::Rejected, Kind::NotFound] {
            let (mut tracker, now) = tracker();
            let later = now + 40 * SECOND;
            tracker.looked(failing(kind), later);
            tracker.looked(Ok(running()), later + SECOND);
            assert!(!tracker.is_over(), "{kind:?}");
            tracker.looking(later + 2 * SECOND);
            tracker.looked(failing(kind), later + 2 * SECOND);
            tracker.looked(failing(kind), later + 32 * SECOND);
            assert!(tracker.is_over(), "{kind:?}");
        }
    }

    #[test]
    fn the_deadline_ends_the_job_and_a_late_result_does_not_revive_it() {
        let (mut tracker, now) = tracker();
        tracker.expire(now + Duration::from_secs(1_199));
        assert!(!tracker.is_over());
        tracker.expire(now + Duration::from_secs(1_200));
        tracker.looked(Ok(done()), now + Duration::from_secs(1_201));
        let kinds: Vec<_> = told(&mut tracker).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [JobEventKind::Queued, JobEventKind::Failed]);
    }
}
