use std::time::{Duration, SystemTime};

use buttress_core::RetryAfter;
use http::{HeaderMap, HeaderName, header::AGE};

use crate::{
    fields::{POLICY, STATE},
    structured::{Bare, Member, list},
};

/// What an answer says about limits: the client's side of the fields.
///
/// Malformed fields are as good as none, and so are fields on an answer out of a cache, whose `Age` is not zero: they speak
/// of somebody else's request (RLM-7). `Retry-After` counts there too, as it may speak of the server. Nothing here is a
/// promise: an answer may change its mind.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use buttress_rate_limit::Advice;
///
/// let answer = http::Response::builder()
///     .header("ratelimit-policy", r#""user";q=60;w=60"#)
///     .header("ratelimit", r#""user";r=0;t=7"#)
///     .body(())?;
/// let advice = Advice::of(answer.headers());
/// assert_eq!(advice.limits()[0].remaining, 0);
/// assert_eq!(advice.wait(SystemTime::now()), Some(Duration::from_secs(7)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    retry_after: Option<RetryAfter>,
    limits: Vec<ToldLimit>,
    policies: Vec<ToldPolicy>,
}

/// A member of `RateLimit`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToldLimit {
    /// The name of the policy.
    pub name: String,
    /// Units that are left.
    pub remaining: u64,
    /// The time until there are more.
    pub reset: Option<Duration>,
    /// Whose they are, opaque.
    pub partition: Option<Vec<u8>>,
}

/// A member of `RateLimit-Policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToldPolicy {
    /// Its name.
    pub name: String,
    /// Units in a window.
    pub quota: u64,
    /// The window, which is never zero.
    pub window: Option<Duration>,
    /// What is counted; requests if `None`.
    pub unit: Option<String>,
    /// Whose it is, opaque.
    pub partition: Option<Vec<u8>>,
}

impl Advice {
    /// Reads an answer's headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let retry_after = RetryAfter::from_headers(headers);
        if headers.get(AGE).is_some_and(|age| age != "0") {
            return Self { retry_after, ..Self::default() };
        }
        Self { retry_after, limits: read(headers, &STATE, limit), policies: read(headers, &POLICY, policy) }
    }

    /// The limits, in the order of the field.
    #[must_use]
    pub fn limits(&self) -> &[ToldLimit] {
        &self.limits
    }

    /// The policies, in the order of the field.
    #[must_use]
    pub fn policies(&self) -> &[ToldPolicy] {
        &self.policies
    }

    /// How long to wait before the next request: what `Retry-After` says, else the longest reset of a limit with nothing
    /// left (RLM-7).
    #[must_use]
    pub fn wait(&self, now: SystemTime) -> Option<Duration> {
        let used_up = self.limits.iter().filter(|limit| limit.remaining == 0);
        self.retry_after.map(|after| after.delay(now)).or_else(|| used_up.filter_map(|limit| limit.reset).max())
    }
}

/// All lines of a field are one list. If a member of it is wrong, the field is.
fn read<T>(headers: &HeaderMap, name: &HeaderName, member: fn(&Member) -> Option<T>) -> Vec<T> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
    let members = list(&lines.join(&b", "[..])).unwrap_or_default();
    members.iter().map(member).collect::<Option<_>>().unwrap_or_default()
}

fn limit(member: &Member) -> Option<ToldLimit> {
    Some(ToldLimit {
        name: member.name.clone(),
        remaining: integer(member, "r")??,
        reset: integer(member, "t")?.map(Duration::from_secs),
        partition: partition(member)?,
    })
}

fn policy(member: &Member) -> Option<ToldPolicy> {
    let window = integer(member, "w")?;
    if window == Some(0) {
        return None;
    }
    let unit = match find(member, "qu") {
        None => None,
        Some(Bare::Text(unit)) => Some(unit.clone()),
        Some(_) => return None,
    };
    Some(ToldPolicy {
        name: member.name.clone(),
        quota: integer(member, "q")??,
        window: window.map(Duration::from_secs),
        unit,
        partition: partition(member)?,
    })
}

fn find<'a>(member: &'a Member, key: &str) -> Option<&'a Bare> {
    member.parameters.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// `None` if it is there and no number that counts something.
#[expect(clippy::option_option, reason = "wrong, missing, there")]
fn integer(member: &Member, key: &str) -> Option<Option<u64>> {
    match find(member, key) {
        None => Some(None),
        Some(Bare::Integer(number)) => u64::try_from(*number).ok().map(Some),
        Some(_) => None,
    }
}

#[expect(clippy::option_option, reason = "wrong, missing, there")]
fn partition(member: &Member) -> Option<Option<Vec<u8>>> {
    match find(member, "pk") {
        None => Some(None),
        Some(Bare::Bytes(bytes)) => Some(Some(bytes.clone())),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn advice(pairs: &[(&'static str, &str)]) -> Advice {
        let pairs =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| _ = headers.append(name, value));
        Advice::of(&headers)
    }

    fn wait(pairs: &[(&'static str, &str)]) -> Option<u64> {
        advice(pairs).wait(SystemTime::now()).map(|wait| wait.as_secs())
    }

    // RLM-6
    #[test]
    fn fields_are_read_over_all_their_lines() {
        let read = advice(&[
            ("ratelimit-policy", r#""user";q=60;w=60;pk=:aGVsbG8=:"#),
            ("ratelimit-policy", r#""streams";q=10;qu="concurrent-requests""#),
            ("ratelimit", r#""user";r=3;t=1, "streams";r=9"#),
        ]);
        assert_eq!(read.policies()[0].partition.as_deref(), Some(&b"hello"[..]));
        assert_eq!(read.policies()[1].unit.as_deref(), Some("concurrent-requests"));
        assert_eq!((read.limits()[0].remaining, read.limits()[0].reset), (3, Some(Duration::from_secs(1))));
        assert_eq!((read.limits()[1].remaining, read.limits()[1].reset), (9, None));
    }

    // RLM-7
    #[test]
    fn retry_after_wins_and_the_longest_reset_counts_without_it() {
        let used_up = ("ratelimit", r#""a";r=0;t=5, "b";r=0;t=9, "c";r=1;t=99"#);
        assert_eq!(wait(&[used_up]), Some(9));
        assert_eq!(wait(&[used_up, ("retry-after", "2")]), Some(2));
        assert_eq!(wait(&[("ratelimit", r#""a";r=1;t=5"#)]), None);
    }

    // RLM-7
    #[test]
    fn malformed_fields_and_those_out_of_a_cache_are_ignored() {
        for bad in [
            r#"a;r=0;t=5"#,
            r#""a";r=-1;t=5"#,
            r#""a";t=5"#,
            r#""a";r="0";t=5"#,
            r#""a";r=0;t=1.5"#,
            r#""a";r=0;t=5;pk=1"#,
            "limit=0",
        ] {
            assert_eq!(wait(&[("ratelimit", bad)]), None, "{bad}");
        }
        for bad in [r#""a";w=5"#, r#""a";q=1;w=0"#, r#""a";q=1;qu=requests"#, r#""a";q=x"#] {
            assert!(advice(&[("ratelimit-policy", bad)]).policies().is_empty(), "{bad}");
        }
        let used_up = ("ratelimit", r#""a";r=0;t=5"#);
        for cached in ["1", "3600", "x"] {
            assert_eq!(wait(&[used_up, ("age", cached)]), None);
            assert_eq!(wait(&[used_up, ("age", cached), ("retry-after", "60")]), Some(60));
        }
        assert_eq!(wait(&[used_up, ("age", "0")]), Some(5), "what CDNs write that only passed an answer on");
    }
}
