//! Which form a caller wants, by its `Accept` (RFC 9110, section 12.5.1). Pure.

/// How a failure is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// `{"ok":false,"error":{…}}` as `application/json`.
    #[default]
    Envelope,
    /// RFC 9457, as `application/problem+json`.
    ProblemDetails,
}

/// The shape that a caller asks for where both are to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    New,
    Legacy,
}

/// Problem details, if they weigh more than the envelope, or the same and are asked for by name. Everything else, and
/// what cannot be read, is the envelope: a failure always has a body (ENV-9).
pub(crate) fn form<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Form {
    let (mut json, mut details) = (Weight::default(), Weight::default());
    for range in accept.flat_map(|line| split(line, b',')).filter_map(Range::read) {
        json.take(&range, b"json");
        details.take(&range, b"problem+json");
    }
    let named = details.specificity == Specificity::Named;
    let wanted = details.q > json.q || (named && details.q > 0 && details.q == json.q);
    if wanted { Form::ProblemDetails } else { Form::Envelope }
}

/// Whether a line asks for the envelope at first sight, as most do. Either it names no JSON, so that whatever of it takes
/// problem details takes JSON as much; or it names no problem details and weighs nothing.
#[inline]
pub(crate) fn is_plain(line: &[u8]) -> bool {
    line == b"application/json" || line == b"*/*" || is_plain_at_length(line)
}

fn is_plain_at_length(line: &[u8]) -> bool {
    // Without an early end, so that it goes by vectors.
    let (json, special) = line.iter().fold((false, false), |(json, special), byte| {
        (json | (*byte | 0x20 == b'j'), special | (*byte == b'+') | (*byte == b';'))
    });
    !json || !special
}

/// The parameter `envelope` of any media range: `application/json;envelope=new`.
pub(crate) fn wish<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Option<Wish> {
    let ranges = accept.flat_map(|line| split(line, b','));
    ranges.flat_map(|range| split(range, b';').skip(1)).find_map(|parameter| {
        let value = parameter.trim_ascii().strip_prefix(b"envelope=")?;
        wish_of(value)
    })
}

/// `new` or `legacy`, in any case.
pub(crate) fn wish_of(value: &[u8]) -> Option<Wish> {
    let value = value.trim_ascii();
    if value.eq_ignore_ascii_case(b"new") {
        Some(Wish::New)
    } else if value.eq_ignore_ascii_case(b"legacy") {
        Some(Wish::Legacy)
    } else {
        None
    }
}

/// How near a media range comes to a media type; the nearest has the say, whatever its weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    #[default]
    None,
    Any,
    AnyApplication,
    Named,
}

/// What the ranges so far say of one media type, in thousandths.
#[derive(Default)]
struct Weight {
    specificity: Specificity,
    q: u16,
}

impl Weight {
    fn take(&mut self, range: &Range<'_>, subtype: &[u8]) {
        let specificity = range.specificity(subtype);
        if specificity > self.specificity {
            *self = Self { specificity, q: range.q };
        } else if specificity == self.specificity && specificity != Specificity::None {
            self.q = self.q.max(range.q);
        }
    }
}

struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    q: u16,
}

impl<'a> Range<'a> {
    /// `None` for what is no media range, or has a weight that is none.
    fn read(text: &'a [u8]) -> Option<Self> {
        let mut parts = split(text, b';').map(<[u8]>::trim_ascii);
        let media_type = parts.next()?;
        let slash = media_type.iter().position(|b| *b == b'/')?;
        let q = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
        let q = q.map_or(Some(1_000), thousandths)?;
        Some(Self { kind: &media_type[..slash], subtype: &media_type[slash + 1..], q })
    }

    fn specificity(&self, subtype: &[u8]) -> Specificity {
        match (self.kind, self.subtype) {
            (b"*", b"*") => Specificity::Any,
            (kind, _) if !kind.eq_ignore_ascii_case(b"application") => Specificity::None,
            (_, b"*") => Specificity::AnyApplication,
            (_, own) if own.eq_ignore_ascii_case(subtype) => Specificity::Named,
            _ => Specificity::None,
        }
    }
}

/// A weight of RFC 9110, section 12.4.2: 0 to 1 with at most three decimals.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1') || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut sum = u16::from(whole - b'0') * 1_000;
    for (decimal, unit) in decimals.iter().zip([100, 10, 1]) {
        sum += u16::from(decimal - b'0') * unit;
    }
    (sum <= 1_000).then_some(sum)
}

/// The pieces between separators that stand outside of quotes.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        let ends = byte == separator && !quoted;
        (quoted, escaped) = match byte {
            _ if escaped => (quoted, false),
            b'\\' if quoted => (quoted, true),
            b'"' => (!quoted, false),
            _ => (quoted, false),
        };
        ends
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[&str]) -> Form {
        form(lines.iter().map(|line| line.as_bytes()))
    }

    // ENV-9
    #[test]
    fn problem_details_are_for_those_who_want_them() {
        for yes in [
            "application/problem+json",
            "text/html, Application/Problem+JSON;q=0.5",
            "application/problem+json, application/json;q=0.9",
            "application/json, application/problem+json",
            "application/problem+json;q=0.3, application/json;q=0.3",
            "application/problem+json, */*",
            "application/json;q=0, */*",
            "application/json;q=0.1, application/*",
            "application/problem+json;charset=utf-8;q=1.000",
            "text/plain;x=\"a,b;q=0\", application/problem+json",
        ] {
            assert_eq!(of(&[yes]), Form::ProblemDetails, "{yes}");
        }
        assert_eq!(of(&["application/json;q=0.5", "application/problem+json"]), Form::ProblemDetails);
    }

    // ENV-9
    #[test]
    fn everybody_else_gets_the_envelope() {
        for no in [
            "",
            "*/*",
            "application/json",
            "application/*",
            "text/html",
            "application/json, text/plain, */*",
            "application/problem+json;q=0",
            "application/problem+json;q=0.000, */*",
            "application/json, application/problem+json;q=0.9",
            "application/problem+xml",
        ] {
            assert_eq!(of(&[no]), Form::Envelope, "{no}");
        }
        assert_eq!(of(&[]), Form::Envelope);
    }

    // ENV-9
    #[test]
    fn nonsense_is_the_envelope() {
        for nonsense in [
            "application/problem+json;q=x",
            "application/problem+json;q=1.5",
            "application/problem+json;q=1.0000",
            "application/problem+json;q=-1",
            "application/problem+json;q=",
            "application",
            ",,,;;;===",
            "\"application/problem+json\"",
            "*/problem+json",
        ] {
            assert_eq!(of(&[nonsense]), Form::Envelope, "{nonsense}");
        }
    }

    #[test]
    fn the_envelope_can_be_asked_for_in_a_parameter() {
        let of = |line: &str| wish([line.as_bytes()].into_iter());
        assert_eq!(of("application/json;envelope=new"), Some(Wish::New));
        assert_eq!(of("text/html, application/json; q=1; envelope=LEGACY"), Some(Wish::Legacy));
        for none in ["application/json", "application/json;envelope=old", "envelope=new", "a/b;x=\";envelope=new\""] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(lines: Vec<Vec<u8>>) {
            let _ = form(lines.iter().map(Vec::as_slice));
            let _ = wish(lines.iter().map(Vec::as_slice));
        }

        #[test]
        fn a_plain_line_asks_for_the_envelope(line in "(application/(problem\\+)?json|\\*/\\*|application/\\*|text/html)(;q=[01](\\.[0-9]{1,3})?)?(, ?(application/(problem\\+)?json|\\*/\\*)(;q=0?.[0-9])?){0,3}") {
            prop_assert!(!is_plain(line.as_bytes()) || form([line.as_bytes()].into_iter()) == Form::Envelope);
        }

        #[test]
        fn weights_are_read_to_the_thousandth(n in 0_u16..=1_000) {
            let text = format!("{}.{:03}", n / 1_000, n % 1_000);
            prop_assert_eq!(thousandths(text.as_bytes()), Some(n));
        }
    }
}
