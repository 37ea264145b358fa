use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Job, JobEvent, ProviderError, Schedule, tracker::Tracker};

/// News from a channel that may be late, doubled, silent or wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Hint {
    /// The channel is open. What happened before is not told by it, so it is time to look.
    Connected,
    /// Something happened to the job: it is time to look.
    Changed,
    /// The provider reports a figure, from 0 to 1.
    Progress(f64),
}

/// The events of a job, from `queued` to `completed` or `failed`: hints accelerate, looking decides.
///
/// `look` fetches how the job stands. It is called on the times of `schedule`, and soon after each hint; only what it
/// says can end the job, apart from the deadline and a lasting outage (see [`Schedule`]). A channel of hints that is
/// silent, cut, late, doubled or lying costs time or a look too many, never a result (AIC-12). The stream ends after
/// its last event; one look is under way at a time.
///
/// # Cancel safety
///
/// Dropping the stream stops the looking. The job goes on at the provider (AIC-7).
///
/// # Examples
///
/// ```
/// use buttress_provider::{Hint, Job, JobEventKind, MediaKind, Schedule, watch};
/// use futures_util::{StreamExt, stream};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let job = Job::new("job-1".parse()?, MediaKind::Image);
/// let done = job.clone().completed("job-1".parse()?);
/// let look = move || std::future::ready(Ok(done.clone()));
///
/// let events = watch(job, Schedule::default(), stream::iter([Hint::Connected]), look);
/// let kinds: Vec<_> = events.map(|event| event.kind).collect().await;
/// assert_eq!(kinds, [JobEventKind::Queued, JobEventKind::Artifact, JobEventKind::Completed]);
/// # Ok(())
/// # }
/// ```
pub fn watch<L, F, H>(job: Job, schedule: Schedule, hints: H, look: L) -> impl Stream<Item = JobEvent> + use<L, F, H>
where
    L: FnMut() -> F,
    F: Future<Output = Result<Job, ProviderError>>,
    H: Stream<Item = Hint>,
{
    let tracker = Tracker::new(job, schedule, Instant::now());
    let timer = sleep_until(tracker.next_look());
    Watch { tracker, look, under_way: None, hints: Some(hints), timer }
}

pin_project! {
    struct Watch<L, F, H> {
        tracker: Tracker,
        look: L,
        #[pin]
        under_way: Option<F>,
        #[pin]
        hints: Option<H>,
        #[pin]
        timer: Sleep,
    }
}

impl<L, F, H> Stream for Watch<L, F, H>
where
    L: FnMut() -> F,
    F: Future<Output = Result<Job, ProviderError>>,
    H: Stream<Item = Hint>,
{
    type Item = JobEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<JobEvent>> {
        loop {
            let tracker = self.as_mut().project().tracker;
            if let Some(event) = tracker.next_event() {
                return Poll::Ready(Some(event));
            }
            if tracker.is_over() {
                return Poll::Ready(None);
            }
            // An answer that is there beats a hint, and both beat the clock.
            let went_on = self.as_mut().poll_look(cx) || self.as_mut().poll_hints(cx) || self.as_mut().poll_timer(cx);
            if !went_on {
                return Poll::Pending;
            }
        }
    }
}

impl<L, F, H> Watch<L, F, H>
where
    L: FnMut() -> F,
    F: Future<Output = Result<Job, ProviderError>>,
    H: Stream<Item = Hint>,
{
    fn poll_look(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let Some(Poll::Ready(outcome)) = this.under_way.as_mut().as_pin_mut().map(|look| look.poll(cx)) else {
            return false;
        };
        this.under_way.set(None);
        this.tracker.looked(outcome, Instant::now());
        true
    }

    fn poll_hints(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        match this.hints.as_mut().as_pin_mut().map(|hints| hints.poll_next(cx)) {
            None | Some(Poll::Pending) => return false,
            Some(Poll::Ready(Some(hint))) => this.tracker.hinted(hint, Instant::now()),
            Some(Poll::Ready(None)) => this.hints.set(None),
        }
        true
    }

    /// While a look is under way only the end of all patience is waited for.
    fn poll_timer(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let idle = this.under_way.is_none();
        let due = if idle { this.tracker.next_look() } else { this.tracker.patience() };
        if this.timer.deadline() != due {
            this.timer.as_mut().reset(due);
        }
        if this.timer.as_mut().poll(cx).is_pending() {
            return false;
        }
        let now = Instant::now();
        if idle {
            this.tracker.looking(now);
            this.under_way.set(Some((this.look)()));
        } else {
            this.tracker.expire(now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{pending, ready},
        time::Duration,
    };

    use futures_util::{StreamExt, stream};

    use super::*;
    use crate::{JobEventKind, JobStatus, MediaKind, ProviderErrorKind};

    fn job() -> Job {
        Job::new("j".parse().unwrap(), MediaKind::Image)
    }

    fn done() -> Job {
        job().completed("j".parse().unwrap())
    }

    async fn kinds(events: impl Stream<Item = JobEvent>) -> Vec<JobEventKind> {
        events.map(|event| event.kind).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_channel_loses_no_result() {
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            ready(Ok(if looks.get() == 4 { done() } else { job().status(JobStatus::Running) }))
        };
        let started = Instant::now();
        let kinds = kinds(watch(job(), Schedule::default(), stream::pending(), look)).await;
        assert_eq!(kinds.last(), Some(&JobEventKind::Completed));
        // 2 + 3 + 4.5 + 6.75 s, each a fifth more at most
        assert!(started.elapsed() < Duration::from_millis(16_250 * 12 / 10 + 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_makes_the_result_known_at_once() {
        let started = Instant::now();
        let hints = stream::iter([Hint::Connected]).chain(stream::pending());
        let kinds = kinds(watch(job(), Schedule::default(), hints, || ready(Ok(done())))).await;
        assert_eq!(kinds.last(), Some(&JobEventKind::Completed));
        assert!(started.elapsed() < Duration::from_millis(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hint_during_a_look_leads_to_another_look() {
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            let outcome = if looks.get() == 2 { done() } else { job().status(JobStatus::Running) };
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(outcome)
            }
        };
        let hints = stream::iter([Hint::Connected])
            .chain(stream::once(async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Hint::Changed
            }))
            .chain(stream::pending());
        let started = Instant::now();
        kinds(watch(job(), Schedule::default(), hints, look)).await;
        assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_never_ends_does_not_outlive_the_deadline() {
        let schedule = Schedule::default().deadline(Duration::from_secs(60));
        let started = Instant::now();
        let events: Vec<_> = watch(job(), schedule, stream::pending(), pending).collect().await;
        assert_eq!(events.last().unwrap().error.as_ref().unwrap().code, "provider_timeout");
        assert!(started.elapsed() < Duration::from_secs(71));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_ends_just_before_the_deadline_is_not_lost() {
        let started = Instant::now();
        // The provider asks for a long wait at first; the job is done meanwhile.
        let look = || {
            let early = started.elapsed() < Duration::from_secs(50);
            let slow =
                ProviderError::new(ProviderErrorKind::RateLimited, "slow").with_delay(Duration::from_secs(3_600));
            ready(if early { Err(slow) } else { Ok(done()) })
        };
        let schedule = Schedule::default().deadline(Duration::from_secs(55));
        let kinds = kinds(watch(job(), schedule, stream::pending(), look)).await;
        assert_eq!(kinds.last(), Some(&JobEventKind::Completed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_died_leads_to_an_event_soon_and_to_an_end() {
        let look = || ready(Err(ProviderError::new(ProviderErrorKind::Unavailable, "refused")));
        let started = Instant::now();
        let events: Vec<_> = watch(job(), Schedule::default(), stream::empty(), look).collect().await;
        assert_eq!(events[1].step, "provider_unreachable");
        assert_eq!(events.last().unwrap().error.as_ref().unwrap().code, "provider_unavailable");
        assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
    }
}
