//! `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-10 writes them, and the trio from before.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    MOST_LIMITS, Quota, Standing,
    value::{FEW, Name, value},
};

/// `RateLimit-Policy`.
pub(crate) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// `RateLimit`.
pub(crate) const STATE: HeaderName = HeaderName::from_static("ratelimit");

const LEGACY: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// Which fields answers carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fields {
    /// None.
    None,
    /// `RateLimit-Policy` and `RateLimit`.
    Draft,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now), of the limit that has the least left.
    Legacy,
    /// All of them.
    Both,
}

/// The fields of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    draft: Option<(HeaderValue, HeaderValue)>,
    /// Apart, since hardly anybody asks for them.
    legacy: Option<Box<[HeaderValue; 3]>>,
}

/// What the fields say of one limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) name: &'static str,
    pub(crate) most: u64,
    /// Seconds; none for what is no rate.
    window: Option<u64>,
    left: Left,
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    remaining: u64,
    /// Seconds, rounded up, until there is more.
    more_in: u64,
}

impl Told {
    pub(crate) fn rate(name: &'static str, quota: Quota, left: Left) -> Self {
        Self { name, most: u64::from(quota.count()), window: Some(quota.window()), left }
    }

    pub(crate) fn concurrent(name: &'static str, most: u32, remaining: u32) -> Self {
        let left = Left { remaining: u64::from(remaining), more_in: 0 };
        Self { name, most: u64::from(most), window: None, left }
    }
}

impl Left {
    /// `wait` is what a refused request is told, in nanoseconds, so that the field says no other time (RLM-7).
    #[inline]
    pub(crate) fn of(standing: &Standing, wait: Option<u64>) -> Self {
        let (remaining, next) = standing.left();
        Self { remaining, more_in: wait.unwrap_or(next).div_ceil(SECOND) }
    }
}

const SECOND: u64 = 1_000_000_000;

impl Written {
    /// `known` is the policy of these limits, if it was written before.
    pub(crate) fn of(fields: Fields, known: Option<&HeaderValue>, told: &[Told]) -> Self {
        if told.is_empty() {
            return Self::default();
        }
        let draft = || {
            let policy = known.cloned().unwrap_or_else(|| policy(told));
            (policy, state(told))
        };
        let draft = matches!(fields, Fields::Draft | Fields::Both).then(draft);
        let legacy = matches!(fields, Fields::Legacy | Fields::Both).then(|| Box::new(legacy(told)));
        Self { draft, legacy }
    }

    /// The fields of the draft for at most [`FEW`] rates, whose policy was written before: what most answers carry. From
    /// the last to the first, as a line is written.
    #[inline]
    pub(crate) fn few<'a>(policy: HeaderValue, told: impl Iterator<Item = (&'a Name, Left)>) -> Self {
        let state = value::<FEW>(|line| {
            for (name, left) in told {
                line.number(b";t=", left.more_in);
                line.number(b";r=", left.remaining);
                line.name(name);
            }
        });
        Self { draft: Some((policy, state)), legacy: None }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.draft.is_none() && self.legacy.is_none()
    }

    /// Adds to what is there, from another layer for instance: the fields are lists.
    #[inline]
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let Self { draft, legacy } = self;
        if let Some((policy, state)) = draft {
            headers.append(POLICY, policy);
            headers.append(STATE, state);
        }
        if let Some(values) = legacy {
            for (name, value) in LEGACY.into_iter().zip(*values) {
                headers.insert(name, value);
            }
        }
    }
}

/// `"user";q=60;w=60, "streams";q=10;qu="concurrent-requests"`
pub(crate) fn policy(told: &[Told]) -> HeaderValue {
    value::<MOST_LIMITS>(|line| {
        for told in told.iter().rev() {
            match told.window {
                Some(window) => line.number(b";w=", window),
                None => line.text(b";qu=\"concurrent-requests\""),
            }
            line.number(b";q=", told.most);
            line.name(&Name::new(told.name));
        }
    })
}

/// `"user";r=19;t=1, "streams";r=9`
fn state(told: &[Told]) -> HeaderValue {
    value::<MOST_LIMITS>(|line| {
        for told in told.iter().rev() {
            if told.window.is_some() {
                line.number(b";t=", told.left.more_in);
            }
            line.number(b";r=", told.left.remaining);
            line.name(&Name::new(told.name));
        }
    })
}

fn legacy(told: &[Told]) -> [HeaderValue; 3] {
    let tightest = told.iter().min_by_key(|told| told.left.remaining).expect("there is one");
    [tightest.most, tightest.left.remaining, tightest.left.more_in].map(HeaderValue::from)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::value::LONGEST_NAME;

    fn told(name: &'static str, quota: &str, debt: Duration) -> Told {
        let quota = quota.parse().unwrap();
        Told::rate(name, quota, Left::of(&Standing::new(quota, debt), None))
    }

    fn written(fields: Fields, list: &[Told]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        Written::of(fields, None, list).write(&mut headers);
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    // RLM-6
    #[test]
    fn they_look_as_the_draft_has_them() {
        let user = told("user", "60/min burst 20", Duration::from_millis(1_500));
        let daily = told("daily", "1000/day", Duration::ZERO);
        let streams = Told::concurrent("streams", 10, 7);
        assert_eq!(
            written(Fields::Draft, &[user, daily, streams]),
            pairs(&[
                (
                    "ratelimit-policy",
                    r#""user";q=60;w=60, "daily";q=1000;w=86400, "streams";q=10;qu="concurrent-requests""#
                ),
                ("ratelimit", r#""user";r=18;t=1, "daily";r=1000;t=0, "streams";r=7"#),
            ])
        );
        assert_eq!(
            written(Fields::Legacy, &[user, daily]),
            pairs(&[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "18"), ("x-ratelimit-reset", "1"),])
        );
        assert_eq!(written(Fields::Both, &[user]).len(), 5);
        assert!(written(Fields::None, &[user]).is_empty() && written(Fields::Both, &[]).is_empty());
    }

    #[test]
    fn a_window_below_a_second_is_one() {
        assert!(written(Fields::Draft, &[told("a", "5/100ms", Duration::ZERO)])[0].1.ends_with(";w=1"));
    }

    #[test]
    fn the_longest_line_has_room() {
        let quota = "4294967295/day burst 4294967295".parse().unwrap();
        let name = &"a-name-as-long-as-a-name-can-be-32"[..LONGEST_NAME];
        let longest = Told::rate(name, quota, Left { remaining: u64::MAX, more_in: u64::MAX });
        assert_eq!(written(Fields::Draft, &[longest; MOST_LIMITS]).len(), 2);
        let concurrent = Told { name: longest.name, ..Told::concurrent("", u32::MAX, u32::MAX) };
        assert_eq!(written(Fields::Draft, &[concurrent; MOST_LIMITS]).len(), 2);
    }
}
