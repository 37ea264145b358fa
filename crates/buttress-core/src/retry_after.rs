use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};

/// Milliseconds, as some model providers send it beside or instead of `Retry-After`.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// How long a server asks its caller to wait, read from and written to the headers of an answer.
///
/// Read are: whole seconds, the three date forms of RFC 9110 section 5.6.7, and `retry-after-ms`, which wins because
/// it is finer. What cannot be read is `None`, so that callers fall back to their own backoff (RTY-7).
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use buttress_core::RetryAfter;
///
/// let after = RetryAfter::parse(b"120").expect("a number of seconds");
/// assert_eq!(after.delay(SystemTime::now()), Duration::from_secs(120));
///
/// // Written in whole seconds, rounded up: a truncated zero would invite a loop.
/// assert_eq!(RetryAfter::header_value(Duration::from_millis(1_200)), "2");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// Wait that long.
    Delay(Duration),
    /// Wait until then, by the server's clock.
    At(SystemTime),
}

impl RetryAfter {
    /// Reads the wait from an answer's headers, or `None` when there is none that can be read.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        match find(headers, &RETRY_AFTER_MS).and_then(digits) {
            Some(millis) => Some(Self::Delay(Duration::from_millis(millis))),
            None => find(headers, &RETRY_AFTER).and_then(Self::parse),
        }
    }

    /// Reads one field value: seconds, or a date in any of the three forms of RFC 9110.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        if let Some(seconds) = digits(value) {
            return Some(Self::Delay(Duration::from_secs(seconds)));
        }
        let text = std::str::from_utf8(value).ok()?;
        httpdate::parse_http_date(text).ok().map(Self::At)
    }

    /// The wait as seen at `now`: zero when the moment has passed, never negative (RTY-7).
    #[must_use]
    pub fn delay(self, now: SystemTime) -> Duration {
        match self {
            Self::Delay(delay) => delay,
            Self::At(moment) => moment.duration_since(now).unwrap_or_default(),
        }
    }

    /// The field value for a wait: whole seconds, rounded up, at least 1 (RLM-5).
    #[must_use]
    pub fn header_value(delay: Duration) -> HeaderValue {
        let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
        written(seconds.max(1))
    }
}

/// The first value of a field. Fields are few: to look a name up in the map, all of it would be hashed.
fn find<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_bytes())
}

/// The numbers from 0 to 99, of two digits each.
static PAIRS: &str = "00010203040506070809101112131415161718192021222324252627282930313233343536373839\
                      40414243444546474849505152535455565758596061626364656667686970717273747576777879\
                      8081828384858687888990919293949596979899";

/// As a rule waits are short, and take no memory. A longer one is a text, since a number becomes a value in two pieces of
/// memory.
fn written(seconds: u64) -> HeaderValue {
    match seconds {
        0..10 => HeaderValue::from_static(&PAIRS[2 * seconds as usize + 1..][..1]),
        10..100 => HeaderValue::from_static(&PAIRS[2 * seconds as usize..][..2]),
        _ => HeaderValue::try_from(seconds.to_string()).expect("digits are ASCII"),
    }
}

/// ASCII digits only; a number beyond `u64` is the longest wait there is, not an error.
fn digits(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = value.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    // RTY-7
    #[test]
    fn seconds_and_all_three_date_forms_are_read() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(RetryAfter::parse(b" 7 "), Some(RetryAfter::Delay(Duration::from_secs(7))));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(RetryAfter::parse(date.as_bytes()), Some(RetryAfter::At(moment)), "{date}");
        }
    }

    // RTY-7
    #[test]
    fn what_is_no_wait_is_none() {
        for bad in ["", "-1", "+1", "1.5", "soon", "1 2", "0x10", "Sun, 06 Nov 1994", "\u{ff11}"] {
            assert_eq!(RetryAfter::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(RetryAfter::from_headers(&HeaderMap::new()), None);
    }

    #[test]
    fn milliseconds_win_over_seconds_and_nonsense_does_not() {
        let both = headers(&[("retry-after", "2"), ("retry-after-ms", "1250")]);
        assert_eq!(RetryAfter::from_headers(&both), Some(RetryAfter::Delay(Duration::from_millis(1_250))));
        let nonsense = headers(&[("retry-after", "2"), ("retry-after-ms", "never")]);
        assert_eq!(RetryAfter::from_headers(&nonsense), Some(RetryAfter::Delay(Duration::from_secs(2))));
    }

    // RTY-7
    #[test]
    fn a_moment_that_has_passed_is_no_wait() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(RetryAfter::At(now - Duration::from_secs(1)).delay(now), Duration::ZERO);
        assert_eq!(RetryAfter::At(now + Duration::from_secs(3)).delay(now), Duration::from_secs(3));
    }

    // RLM-5
    #[test]
    fn the_field_is_rounded_up_and_never_zero() {
        for (millis, expected) in [(0, "1"), (1, "1"), (999, "1"), (1_000, "1"), (1_001, "2"), (90_000, "90")] {
            assert_eq!(RetryAfter::header_value(Duration::from_millis(millis)), expected);
        }
        for seconds in (1..1_000).chain([u64::MAX]) {
            assert_eq!(RetryAfter::header_value(Duration::from_secs(seconds)), seconds.to_string());
        }
        assert_eq!(RetryAfter::header_value(Duration::MAX), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            if let Some(after) = RetryAfter::parse(&bytes) {
                let _ = after.delay(SystemTime::now());
            }
        }

        #[test]
        fn what_is_written_is_read_back_as_at_least_the_wait(millis in 0_u64..10_000_000) {
            let delay = Duration::from_millis(millis);
            let read = RetryAfter::parse(RetryAfter::header_value(delay).as_bytes()).unwrap().delay(SystemTime::now());
            prop_assert!(read >= delay && read <= delay + Duration::from_secs(1));
        }

        #[test]
        fn all_its_digits_are_written(seconds in 1..u64::MAX) {
            prop_assert_eq!(RetryAfter::header_value(Duration::from_secs(seconds)), seconds.to_string());
        }
    }
}
