//! What one line of an event stream says (pure).

use std::time::Duration;

/// The field that a line sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Data,
    Name,
    Id,
    Retry,
    /// Starts with a colon.
    Comment,
    /// Any other, which is ignored.
    Unknown,
}

/// The field of a whole line that is not empty, and where its value begins (SSE-5, SSE-6).
#[inline(always)]
pub(crate) fn split(line: &[u8]) -> (Field, usize) {
    let (field, end) = match line[0] {
        b'd' if line.starts_with(b"data") => (Field::Data, 4),
        b'e' if line.starts_with(b"event") => (Field::Name, 5),
        b'i' if line.starts_with(b"id") => (Field::Id, 2),
        b'r' if line.starts_with(b"retry") => (Field::Retry, 5),
        b':' => return (Field::Comment, 1),
        _ => return (Field::Unknown, 0),
    };
    match line.get(end) {
        None => (field, end),
        Some(b':') => (field, end + 1 + usize::from(line.get(end + 1) == Some(&b' '))),
        Some(_) => (Field::Unknown, 0),
    }
}

/// What is known of a line from its first bytes, at least one of them.
pub(crate) fn foresee(head: &[u8]) -> Foresight {
    if head[0] == b':' {
        return Foresight::Skip(Field::Comment);
    }
    for name in [&b"data"[..], b"event", b"id", b"retry"] {
        if name.starts_with(head) {
            return Foresight::Open;
        }
        if head.strip_prefix(name).is_some_and(|rest| rest[0] == b':') {
            return Foresight::Keep;
        }
    }
    Foresight::Skip(Field::Unknown)
}

/// Whether the bytes of an unfinished line are worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foresight {
    /// It sets a field.
    Keep,
    /// Too short to tell: at most as long as the longest field name.
    Open,
    /// Nothing more of it matters.
    Skip(Field),
}

/// The longest head over which [`foresee`] still answers [`Foresight::Open`].
pub(crate) const LONGEST_NAME: usize = 5;

/// The value of `retry`: digits only, base ten (SSE-10). What overflows is as long as can be.
pub(crate) fn retry(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let push = |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Some(Duration::from_millis(value.iter().fold(0, push)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // SSE-5, SSE-6
    #[test]
    fn fields_are_exact_and_lose_one_space() {
        let table = [
            ("data: a", Field::Data, 6),
            ("data:  a", Field::Data, 6),
            ("data:\ta", Field::Data, 5),
            ("data", Field::Data, 4),
            ("data:", Field::Data, 5),
            ("event:x", Field::Name, 6),
            ("id", Field::Id, 2),
            ("retry:1", Field::Retry, 6),
            (":", Field::Comment, 1),
            ("Data:a", Field::Unknown, 0),
            ("datax:a", Field::Unknown, 0),
            ("data :a", Field::Unknown, 0),
            (" data:a", Field::Unknown, 0),
            ("x", Field::Unknown, 0),
        ];
        for (line, field, start) in table {
            assert_eq!(split(line.as_bytes()), (field, start), "{line}");
        }
    }

    #[test]
    fn a_head_foresees_what_the_whole_line_says() {
        for line in ["data: a", "data", "event:b", "id:", "retry: 3", ":c", "dat", "idx", "d:", "x", "events: a"] {
            let whole = split(line.as_bytes()).0;
            for end in 1..=line.len() {
                match foresee(&line.as_bytes()[..end]) {
                    Foresight::Open => assert!(end <= LONGEST_NAME),
                    Foresight::Keep => assert!(!matches!(whole, Field::Comment | Field::Unknown), "{line}"),
                    Foresight::Skip(field) => assert_eq!(field, whole, "{line}"),
                }
            }
        }
    }

    // SSE-10
    #[test]
    fn retry_is_digits_in_base_ten() {
        let table = [("3000", Some(3000)), ("03000", Some(3000)), ("0", Some(0)), ("", None), ("1e3", None)];
        let more = [("-1", None), ("0x10", None), ("1 ", None), ("99999999999999999999", Some(u64::MAX))];
        for (value, millis) in table.into_iter().chain(more) {
            assert_eq!(retry(value.as_bytes()), millis.map(Duration::from_millis), "{value}");
        }
    }
}
