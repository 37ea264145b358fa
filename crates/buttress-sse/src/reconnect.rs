//! What is done after a line is lost, and when (pure).

use std::{num::NonZeroU32, time::Duration};

use http::{HeaderMap, StatusCode};

use crate::{EventSourceErrorKind as Kind, head::has_event_stream_type, redirect};

/// What the caller chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) reconnection_time: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) max_attempts: Option<NonZeroU32>,
    pub(crate) retry_status: fn(StatusCode) -> bool,
    pub(crate) retry_too_long: bool,
    /// Whether the request may be sent more than once.
    pub(crate) may_resend: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            reconnection_time: Duration::from_secs(3),
            max_backoff: Duration::from_secs(30),
            max_attempts: None,
            retry_status: may_pass,
            retry_too_long: false,
            may_resend: true,
        }
    }
}

/// The status codes of trouble that may pass (SSE-25).
fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// What is known of the lines so far.
#[derive(Debug, Default)]
pub(crate) struct Reconnect {
    pub(crate) policy: Policy,
    /// By the last `retry:`.
    asked: Option<Duration>,
    /// Losses in a row since the last line that was of use.
    losses: u32,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Another attempt, after the delay.
    Wait { attempt: u32, delay: Duration },
    /// Nothing more; this is as it should be.
    Finish,
    /// Nothing more; the caller is told why.
    Fail,
}

impl Reconnect {
    /// The line is of use: it brought an event. The next loss is the first one again.
    pub(crate) fn note_use(&mut self) {
        self.losses = 0;
    }

    /// The server says when to come back, and so takes the backoff into its own hands (SSE-10).
    pub(crate) fn note_retry(&mut self, delay: Duration) {
        self.asked = Some(delay.max(SHORTEST_RETRY));
        self.losses = 0;
    }

    /// The line stood this long. One that was only quiet is no failure either.
    pub(crate) fn note_stand(&mut self, time: Duration) {
        if time >= self.policy.max_backoff {
            self.losses = 0;
        }
    }

    /// What to do after a line was lost by `kind`, when the answer asked for a wait of at least
    /// `at_least`. `jitter` draws a part of a duration.
    pub(crate) fn after(&mut self, kind: Kind, at_least: Duration, jitter: impl Fn(Duration) -> Duration) -> Action {
        match kind {
            // SSE-23
            Kind::Status(StatusCode::NO_CONTENT) => return Action::Finish,
            // A stream that is asked for once is over when it is over.
            Kind::Ended if !self.policy.may_resend => return Action::Finish,
            _ if !self.may_pass(kind) => return Action::Fail,
            _ => {}
        }
        let delay = self.delay(at_least, jitter);
        self.losses = self.losses.saturating_add(1);
        match self.policy.max_attempts {
            Some(most) if self.losses >= most.get() => Action::Fail,
            _ => Action::Wait { attempt: self.losses, delay },
        }
    }

    fn may_pass(&self, kind: Kind) -> bool {
        let Policy { retry_status, retry_too_long, may_resend, .. } = self.policy;
        may_resend
            && match kind {
                Kind::Transport | Kind::Cut | Kind::Ended | Kind::Silence => true,
                Kind::Status(status) => retry_status(status),
                Kind::TooLong => retry_too_long,
                Kind::NotReady | Kind::MediaType | Kind::Redirect | Kind::LastEventId => false,
            }
    }

    /// The reconnection time, doubled for each further loss in a row, or what the answer asked for, and longer by chance.
    fn delay(&self, at_least: Duration, jitter: impl Fn(Duration) -> Duration) -> Duration {
        let base = self.asked.unwrap_or(self.policy.reconnection_time);
        let doubled = base.saturating_mul(1 << self.losses.min(31));
        let delay = doubled.min(self.policy.max_backoff.max(base));
        // After a good line close to what the server asked for (SSE-27), then spread further.
        let spread = if self.losses == 0 { delay / 5 } else { delay / 2 };
        delay.max(at_least).saturating_add(jitter(spread))
    }
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Open,
    Follow,
    Refused(Kind),
}

/// 200 with an event stream opens (SSE-22), a redirect is followed (SSE-24).
pub(crate) fn admit(status: StatusCode, headers: &HeaderMap) -> Admission {
    match status {
        StatusCode::OK if has_event_stream_type(headers) => Admission::Open,
        StatusCode::OK => Admission::Refused(Kind::MediaType),
        _ if redirect::is_redirect(status) => Admission::Follow,
        _ => Admission::Refused(Kind::Status(status)),
    }
}

/// The least that a `retry:` of a server counts for: it must not turn its readers into a busy loop.
const SHORTEST_RETRY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CONTENT_TYPE};
    use proptest::prelude::*;

    use super::*;

    const OFTEN: [Kind; 4] = [Kind::Transport, Kind::Cut, Kind::Ended, Kind::Silence];

    fn none(_: Duration) -> Duration {
        Duration::ZERO
    }

    fn status(code: u16) -> Kind {
        Kind::Status(StatusCode::from_u16(code).unwrap())
    }

    fn millis(reconnect: &mut Reconnect, kind: Kind) -> u64 {
        match reconnect.after(kind, Duration::ZERO, none) {
            Action::Wait { delay, .. } => delay.as_millis() as u64,
            other => panic!("{other:?}"),
        }
    }

    // SSE-26, SSE-30
    #[test]
    fn the_wait_doubles_from_three_seconds_to_its_cap_and_starts_again_after_an_event() {
        for kind in OFTEN {
            let mut reconnect = Reconnect::default();
            let waits: Vec<_> = (0..6).map(|_| millis(&mut reconnect, kind)).collect();
            assert_eq!(waits, [3_000, 6_000, 12_000, 24_000, 30_000, 30_000]);
            reconnect.note_use();
            assert_eq!(millis(&mut reconnect, kind), 3_000);
        }
    }

    // SSE-10, SSE-27
    #[test]
    fn the_server_sets_the_wait_and_ends_the_backoff() {
        let mut reconnect = Reconnect::default();
        let _ = [0; 5].map(|_| millis(&mut reconnect, Kind::Cut));
        reconnect.note_retry(Duration::from_millis(500));
        assert_eq!([0; 3].map(|_| millis(&mut reconnect, Kind::Ended)), [500, 1_000, 2_000]);
        // It is more than the cap of what this side adds.
        reconnect.note_retry(Duration::from_secs(60));
        assert_eq!([0; 2].map(|_| millis(&mut reconnect, Kind::Ended)), [60_000, 60_000]);
        reconnect.note_retry(Duration::ZERO);
        assert_eq!(millis(&mut reconnect, Kind::Ended), 100);
    }

    // SSE-27
    #[test]
    fn the_spread_is_a_fifth_after_a_good_line_and_then_a_half() {
        let mut reconnect = Reconnect::default();
        reconnect.note_retry(Duration::from_millis(500));
        let mut most = || reconnect.after(Kind::Ended, Duration::ZERO, |most| most);
        assert_eq!(most(), Action::Wait { attempt: 1, delay: Duration::from_millis(600) });
        assert_eq!(most(), Action::Wait { attempt: 2, delay: Duration::from_millis(1_500) });
    }

    #[test]
    fn a_line_that_stood_long_was_no_failure() {
        let mut reconnect = Reconnect::default();
        let _ = [0; 5].map(|_| millis(&mut reconnect, Kind::Cut));
        reconnect.note_stand(Duration::from_secs(29));
        assert_eq!(millis(&mut reconnect, Kind::Cut), 30_000);
        reconnect.note_stand(Duration::from_secs(30));
        assert_eq!(millis(&mut reconnect, Kind::Cut), 3_000);
    }

    // SSE-23, SSE-25
    #[test]
    fn trouble_is_tried_again_a_refusal_is_not_and_204_is_no_trouble() {
        let after = |kind| Reconnect::default().after(kind, Duration::ZERO, none);
        for code in [429, 500, 502, 503, 504] {
            assert!(matches!(after(status(code)), Action::Wait { attempt: 1, .. }), "{code}");
        }
        for code in [201, 205, 206, 210, 299, 300, 304, 400, 401, 403, 404, 408, 410, 501, 505] {
            assert_eq!(after(status(code)), Action::Fail, "{code}");
        }
        for kind in [Kind::NotReady, Kind::MediaType, Kind::Redirect, Kind::LastEventId, Kind::TooLong] {
            assert_eq!(after(kind), Action::Fail, "{kind:?}");
        }
        assert_eq!(after(status(204)), Action::Finish);
    }

    // SSE-25
    #[test]
    fn no_attempt_comes_before_the_server_wants_it() {
        let mut reconnect = Reconnect::default();
        let delay = Duration::from_secs(7);
        let mut after = || reconnect.after(status(503), delay, none);
        assert_eq!([0; 2].map(|_| after()), [1, 2].map(|attempt| Action::Wait { attempt, delay }));
        assert_eq!(after(), Action::Wait { attempt: 3, delay: Duration::from_secs(12) });
        // Whom the server sends away together, it does not see again together.
        let longest = Reconnect::default().after(status(503), delay, |most| most);
        assert_eq!(longest, Action::Wait { attempt: 1, delay: Duration::from_millis(7_600) });
    }

    // SSE-29
    #[test]
    fn what_may_not_be_sent_twice_ends_with_its_line() {
        let policy = Policy { may_resend: false, retry_too_long: true, ..Policy::default() };
        let after = |kind| Reconnect { policy, ..Reconnect::default() }.after(kind, Duration::ZERO, none);
        assert_eq!((after(Kind::Ended), after(status(204))), (Action::Finish, Action::Finish));
        for kind in [Kind::Transport, Kind::Cut, Kind::Silence, Kind::TooLong, status(503)] {
            assert_eq!(after(kind), Action::Fail, "{kind:?}");
        }
    }

    #[test]
    fn attempts_are_bounded_by_choice_and_counted_anew_after_an_event() {
        let policy = Policy { max_attempts: NonZeroU32::new(3), ..Policy::default() };
        let mut reconnect = Reconnect { policy, ..Reconnect::default() };
        for _ in 0..2 {
            reconnect.note_use();
            assert_eq!([0; 2].map(|_| millis(&mut reconnect, Kind::Cut)), [3_000, 6_000]);
        }
        assert_eq!(reconnect.after(Kind::Cut, Duration::ZERO, none), Action::Fail);
    }

    // SSE-22
    #[test]
    fn only_200_with_an_event_stream_opens() {
        let admit = |status: u16, content_type: &'static str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            admit(StatusCode::from_u16(status).unwrap(), &headers)
        };
        assert_eq!(admit(200, "text/event-stream; charset=x"), Admission::Open);
        assert_eq!(admit(200, "text/html"), Admission::Refused(Kind::MediaType));
        assert_eq!(admit(206, "text/event-stream"), Admission::Refused(status(206)));
        assert_eq!(admit(302, "text/event-stream"), Admission::Follow);
    }

    proptest! {
        #[test]
        fn every_wait_lies_between_what_was_asked_and_half_as_much_again_as_the_cap(
            base: u64, cap: u64, losses: u32, at_least: u64, part in 0_u32..=100,
        ) {
            let [base, cap, at_least] = [base, cap, at_least].map(Duration::from_millis);
            let policy = Policy { reconnection_time: base, max_backoff: cap, ..Policy::default() };
            let mut reconnect = Reconnect { policy, losses, asked: None };
            let action = reconnect.after(Kind::Cut, at_least, |most| most / 100 * part);
            let Action::Wait { delay, attempt } = action else { panic!("{action:?}") };
            let longest = cap.max(base);
            prop_assert!(delay >= base.max(at_least) && delay <= longest.max(at_least) + longest / 2);
            prop_assert_eq!(attempt, losses.saturating_add(1));
        }
    }
}
