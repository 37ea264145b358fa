//! Whether there is another try, and when (pure).

use std::time::Duration;

use crate::{Repeat, Verdict, Why};

/// All that the decision depends on, but the budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) verdict: Verdict,
    pub(crate) repeat: Repeat,
    /// Tries so far, and at most.
    pub(crate) tries: u32,
    pub(crate) most: u32,
    /// Whether there is a body for another try.
    pub(crate) body: Result<(), Why>,
    /// The time until the deadline, if there is one.
    pub(crate) left: Option<Duration>,
    /// The longest wait that a server gets where there is no deadline.
    pub(crate) longest: Duration,
    /// What the server asks for.
    pub(crate) asked: Option<Duration>,
    /// The own backoff, and what is put on top of what the server asks for: both drawn.
    pub(crate) backoff: Duration,
    pub(crate) spread: Duration,
    /// Whether a try was given back unprocessed before.
    pub(crate) given_back: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Hand the outcome on; if another try might have done better, because of this.
    HandOn(Option<Why>),
    /// Try again, free of the budget or not.
    Again { delay: Duration, free: bool },
}

impl Facts {
    pub(crate) fn next(&self) -> Next {
        if self.verdict == Verdict::Final {
            return Next::HandOn(None);
        }
        match self.ruled_out() {
            Some(why) => Next::HandOn(Some(why)),
            None if self.verdict == Verdict::Unprocessed && !self.given_back => {
                Next::Again { delay: Duration::ZERO, free: true }
            }
            None => match self.delay() {
                Ok(delay) => Next::Again { delay, free: false },
                Err(why) => Next::HandOn(Some(why)),
            },
        }
    }

    fn ruled_out(&self) -> Option<Why> {
        let unsent = matches!(self.verdict, Verdict::Unsent | Verdict::Unprocessed);
        let may = self.repeat == Repeat::Always || (self.repeat == Repeat::IfUnsent && unsent);
        if let Err(why) = self.body {
            return Some(why);
        }
        if !may {
            return Some(Why::Unrepeatable);
        }
        if self.tries >= self.most {
            return Some(Why::Attempts);
        }
        (self.left == Some(Duration::ZERO)).then_some(Why::Deadline)
    }

    /// The longer of backoff and what the server asks for; the spread on top of that is left out where there is no time
    /// for it (RTY-4, RTY-8, RTY-9).
    fn delay(&self) -> Result<Duration, Why> {
        let asked = self.asked.unwrap_or_default();
        if self.left.is_none() && asked > self.longest {
            return Err(Why::LongWait);
        }
        let spread = if self.asked.is_some() { asked.saturating_add(self.spread) } else { asked };
        let fits = |delay: &Duration| self.left.is_none_or(|left| *delay < left);
        let delay = Some(spread).filter(fits).unwrap_or(asked).max(self.backoff);
        if fits(&delay) { Ok(delay) } else { Err(Why::Deadline) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FACTS: Facts = Facts {
        verdict: Verdict::Retry,
        repeat: Repeat::Always,
        tries: 1,
        most: 3,
        body: Ok(()),
        left: None,
        longest: Duration::from_secs(60),
        asked: None,
        backoff: Duration::from_millis(100),
        spread: Duration::ZERO,
        given_back: false,
    };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn again(millis: u64) -> Next {
        Next::Again { delay: ms(millis), free: false }
    }

    fn not(why: Why) -> Next {
        Next::HandOn(Some(why))
    }

    #[test]
    fn what_is_final_is_handed_on_without_a_word() {
        let facts = Facts { verdict: Verdict::Final, tries: 3, body: Err(Why::BodyTooLarge), ..FACTS };
        assert_eq!(facts.next(), Next::HandOn(None));
    }

    // RTY-4
    #[test]
    fn tries_are_counted_with_the_first() {
        let next = |tries, most| Facts { tries, most, ..FACTS }.next();
        assert_eq!([next(1, 3), next(2, 3), next(3, 3)], [again(100), again(100), not(Why::Attempts)]);
        assert_eq!([next(1, 1), next(4, 3)], [not(Why::Attempts); 2]);
    }

    // RTY-1
    #[test]
    fn what_may_not_be_sent_twice_is_tried_again_only_if_it_was_not_sent() {
        let next = |repeat, verdict| Facts { repeat, verdict, ..FACTS }.next();
        assert_eq!(next(Repeat::IfUnsent, Verdict::Retry), not(Why::Unrepeatable));
        assert_eq!(next(Repeat::IfUnsent, Verdict::Throttled), not(Why::Unrepeatable));
        assert_eq!(next(Repeat::IfUnsent, Verdict::Unsent), again(100));
        assert_eq!(next(Repeat::Never, Verdict::Unsent), not(Why::Unrepeatable));
    }

    // RTY-2
    #[test]
    fn without_a_body_there_is_no_other_try() {
        for why in [Why::BodyTooLarge, Why::BodyUnfinished] {
            assert_eq!(Facts { body: Err(why), ..FACTS }.next(), not(why));
        }
    }

    // RTY-4
    #[test]
    fn a_wait_that_reaches_the_deadline_is_not_begun() {
        let next = |left| Facts { left: Some(ms(left)), ..FACTS }.next();
        assert_eq!([next(101), next(100), next(0)], [again(100), not(Why::Deadline), not(Why::Deadline)]);
        let none = Facts { left: Some(Duration::ZERO), backoff: Duration::ZERO, ..FACTS };
        assert_eq!(none.next(), not(Why::Deadline));
    }

    // RTY-8
    #[test]
    fn the_servers_wait_is_kept_up_to_the_deadline_or_to_the_longest_wait() {
        let next = |asked, left: Option<u64>| Facts { asked: Some(ms(asked)), left: left.map(ms), ..FACTS }.next();
        assert_eq!(next(60_000, None), again(60_000));
        assert_eq!(next(60_001, None), not(Why::LongWait));
        assert_eq!(next(90_000, Some(90_001)), again(90_000));
        assert_eq!(next(90_000, Some(90_000)), not(Why::Deadline));
        assert_eq!(next(1, None), again(100));
    }

    // RTY-9
    #[test]
    fn the_spread_comes_on_top_as_long_as_there_is_time() {
        let next = |left: Option<u64>| {
            let facts = Facts { asked: Some(ms(1_000)), spread: ms(400), left: left.map(ms), ..FACTS };
            facts.next()
        };
        assert_eq!([next(None), next(Some(2_000)), next(Some(1_200))], [again(1_400), again(1_400), again(1_000)]);
        assert_eq!(Facts { spread: ms(400), ..FACTS }.next(), again(100), "nothing was asked for");
    }

    // RTY-19
    #[test]
    fn what_was_given_back_unprocessed_is_tried_at_once_and_for_nothing_the_first_time() {
        let facts = Facts { verdict: Verdict::Unprocessed, repeat: Repeat::IfUnsent, ..FACTS };
        assert_eq!(facts.next(), Next::Again { delay: Duration::ZERO, free: true });
        assert_eq!(Facts { given_back: true, ..facts }.next(), again(100));
        assert_eq!(Facts { tries: 3, ..facts }.next(), not(Why::Attempts));
    }

    proptest! {
        // RTY-4, RTY-7
        #[test]
        fn no_wait_is_shorter_than_what_was_asked_for_and_none_reaches_the_deadline(
            asked: Option<u64>, left: Option<u64>, backoff: u64, spread: u64, longest: u64,
        ) {
            let ns = Duration::from_nanos;
            let facts = Facts {
                asked: asked.map(ns), left: left.map(ns), backoff: ns(backoff), spread: ns(spread),
                longest: ns(longest), ..FACTS
            };
            if let Next::Again { delay, .. } = facts.next() {
                prop_assert!(delay >= facts.asked.unwrap_or_default() && delay >= facts.backoff);
                prop_assert!(facts.left.is_none_or(|left| delay < left));
            }
        }
    }
}
