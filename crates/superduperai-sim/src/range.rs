//! Byte ranges; pure.

use std::ops::Range;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// No range, or one that may be ignored (several ranges, another unit, nonsense).
    Whole,
    Part(Range<usize>),
    Unsatisfiable,
}

/// What of `len` bytes a `Range` header asks for.
pub(crate) fn wanted(header: Option<&str>, len: usize) -> Wanted {
    let Some((first, last)) = header
        .and_then(|text| text.strip_prefix("bytes="))
        .filter(|ranges| !ranges.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::Whole;
    };
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if last < first => Wanted::Whole,
        (Ok(first), _) if first >= len => Wanted::Unsatisfiable,
        (Ok(first), Ok(last)) => Wanted::Part(first..last.saturating_add(1).min(len)),
        (Ok(first), Err(_)) if last.is_empty() => Wanted::Part(first..len),
        (Err(_), Ok(0)) if first.is_empty() => Wanted::Unsatisfiable,
        (Err(_), Ok(tail)) if first.is_empty() => Wanted::Part(len.saturating_sub(tail)..len),
        _ => Wanted::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_says() {
        let part = Wanted::Part;
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-0"), 10), part(0..1));
        assert_eq!(wanted(Some("bytes=3-"), 10), part(3..10));
        assert_eq!(wanted(Some("bytes=-4"), 10), part(6..10));
        assert_eq!(wanted(Some("bytes=-40"), 10), part(0..10));
        assert_eq!(wanted(Some("bytes=2-99"), 10), part(2..10));
        assert_eq!(wanted(Some("bytes=10-"), 10), Wanted::Unsatisfiable);
        assert_eq!(wanted(Some("bytes=-0"), 10), Wanted::Unsatisfiable);
        assert_eq!(wanted(Some("bytes=5-2"), 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-1,3-4"), 10), Wanted::Whole);
        assert_eq!(wanted(Some("items=0-1"), 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=x-"), 10), Wanted::Whole);
    }
}
