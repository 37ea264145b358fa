//! The entries of `X-Forwarded-For` and `Forwarded`, from the right: the last one was written by the nearest proxy. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header::FORWARDED};

/// `X-Forwarded-For`.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The addresses of `X-Forwarded-For`, the last one first, all lines of it together (IPA-3). `None`: no address.
pub(crate) fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(address)
}

/// The addresses of `Forwarded`, the last one first, all lines of it together. `None`: no address (IPA-5).
pub(crate) fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    headers.get_all(FORWARDED).into_iter().rev().flat_map(|line| Elements(Some(line.as_bytes()))).map(node_of)
}

/// An address as `X-Forwarded-For` has it: bare, in brackets, with a port or without (IPA-6).
pub(crate) fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    // Rust takes neither octal nor hexadecimal nor short forms, and no zones.
    text.parse().ok().or_else(|| node(text))
}

/// An address as RFC 7239 section 6 has it: IPv6 in brackets, perhaps a port. Anything else is no address (IPA-4).
fn node(text: &str) -> Option<IpAddr> {
    let (addr, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (addr, port) = rest.split_once(']')?;
            (IpAddr::V6(addr.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let end = text.find(':').unwrap_or(text.len());
            (IpAddr::V4(text[..end].parse::<Ipv4Addr>().ok()?), &text[end..])
        }
    };
    let port_fits = match port.strip_prefix(':') {
        Some(port) => is_port(port),
        None => port.is_empty(),
    };
    port_fits.then(|| addr.to_canonical())
}

/// Up to five digits, or an obfuscated one.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(hidden) => !hidden.is_empty() && hidden.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)),
        None => {
            (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }
    }
}

/// The elements of a line, cut at commas outside of quotes, from the right: a quote that a caller opened on the left
/// cannot swallow what a proxy wrote after it.
struct Elements<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.0.take()?;
        let Some(comma) = last_outside_quotes(line, b',') else { return Some(line) };
        self.0 = Some(&line[..comma]);
        Some(&line[comma + 1..])
    }
}

/// Where this byte stands last, outside of quotes as they look from the right.
fn last_outside_quotes(text: &[u8], wanted: u8) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.iter().enumerate().rev() {
        if *byte == b'"' && !is_escaped(&text[..at]) {
            quoted = !quoted;
        } else if *byte == wanted && !quoted {
            return Some(at);
        }
    }
    None
}

/// Whether the quote that comes after `before` is escaped. Each backslash belongs to one quote, so that work stays linear.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    !backslashes.is_multiple_of(2)
}

/// The address of an element of `Forwarded`, if the element is whole: every pair is a name and a value, `for` stands in
/// it once, and its value is an address.
fn node_of(element: &[u8]) -> Option<IpAddr> {
    let mut rest = Some(element.trim_ascii());
    let mut found = None;
    while let Some(text) = rest.take() {
        let pair = match last_outside_quotes(text, b';') {
            Some(at) => {
                rest = Some(&text[..at]);
                &text[at + 1..]
            }
            None => text,
        };
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&pair[..equals], unquoted(&pair[equals + 1..])?);
        if !is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
    }
    node(std::str::from_utf8(found?).ok()?)
}

/// A value without its quotes. Escapes are no part of any address: a value that has some is kept as it is.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value.strip_prefix(b"\"") {
        None => (!value.is_empty() && value.iter().all(|b| b.is_ascii_graphic() && !b"\"\\,;=".contains(b)))
            .then_some(value),
        Some(rest) => {
            let inner = rest.strip_suffix(b"\"")?;
            let whole = !is_escaped(inner)
                && inner.iter().enumerate().all(|(at, byte)| *byte != b'"' || is_escaped(&inner[..at]));
            whole.then_some(inner)
        }
    }
}

fn is_token(text: &[u8]) -> bool {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !text.is_empty() && text.iter().all(fits)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn lines(name: HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    fn shown(entries: impl Iterator<Item = Option<IpAddr>>) -> Vec<String> {
        entries.map(|entry| entry.map_or("-".into(), |addr| addr.to_string())).collect()
    }

    fn xff(entries: &[&str]) -> Vec<String> {
        shown(x_forwarded_for(&lines(X_FORWARDED_FOR, entries)))
    }

    fn forwarded(entries: &[&str]) -> Vec<String> {
        shown(super::forwarded(&lines(FORWARDED, entries)))
    }

    // IPA-3
    #[test]
    fn all_lines_are_one_list_and_the_last_entry_comes_first() {
        assert_eq!(xff(&["192.0.2.1, 192.0.2.2", "192.0.2.3"]), ["192.0.2.3", "192.0.2.2", "192.0.2.1"]);
        assert_eq!(
            forwarded(&["for=192.0.2.1,for=192.0.2.2", "for=192.0.2.3"]),
            ["192.0.2.3", "192.0.2.2", "192.0.2.1"]
        );
    }

    // IPA-4, IPA-6
    #[test]
    fn addresses_are_normalised_and_everything_else_is_none() {
        for (entry, addr) in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1:8080\t", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        ] {
            assert_eq!(xff(&[entry]), [addr], "{entry}");
        }
        for bad in [
            "",
            "unknown",
            "_hidden",
            "garbage",
            "192.0.2",
            "192.0.2.256",
            "0300.0.2.1",
            "0xc0.0.2.1",
            "3221225985",
            "192.0.2.01",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:65536",
            "192.0.2.1:+80",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "fe80::1%eth0",
            "[fe80::1%25eth0]",
            "192.0.2.1 192.0.2.2",
            "\"192.0.2.1\"",
            "::1::1",
            "１92.0.2.1",
        ] {
            assert_eq!(xff(&[bad]), ["-"], "{bad}");
        }
    }

    // IPA-5
    #[test]
    fn elements_of_forwarded_are_read_with_their_quotes() {
        for (line, addrs) in [
            (r#"For="[2001:db8::1]:4711";proto=http;by=203.0.113.43"#, &["2001:db8::1"][..]),
            (r#"host="a, b; c=\"d\"";FOR=192.0.2.1"#, &["192.0.2.1"]),
            (r#"for="192.0.2.1:_p-1", for=192.0.2.2:80"#, &["192.0.2.2", "192.0.2.1"]),
            (r#"for=unknown, for=_hidden, for="_gazonk""#, &["-", "-", "-"]),
            // Doubled, empty, or none at all.
            ("for=192.0.2.1;for=192.0.2.2", &["-"]),
            ("for=192.0.2.1;FOR=192.0.2.1", &["-"]),
            ("by=192.0.2.1", &["-"]),
            ("for=", &["-"]),
            ("for=192.0.2.1;", &["-"]),
            ("for = 192.0.2.1", &["-"]),
            (r#"for="2001:db8::1""#, &["-"]),
            (r#"for="192.0.2.1";by"#, &["-"]),
        ] {
            assert_eq!(forwarded(&[line]), addrs, "{line}");
        }
    }

    // IPA-5
    #[test]
    fn broken_quotes_on_the_left_cannot_swallow_what_the_proxy_wrote() {
        for forged in [
            r#"for=""#,
            r#"for="192.0.2.1"#,
            r#"""#,
            r#"for="192.0.2.1\""#,
            r#"for="\\"#,
            r#"for=192.0.2.1;by=""#,
            r#"\"#,
            r#"for="\"#,
        ] {
            for own in ["for=198.51.100.7", r#"for="[2001:db8::7]:1";host="x\", for=192.0.2.66;\"""#] {
                let seen = forwarded(&[&format!("{forged}, {own}")]);
                let apart = forwarded(&[forged, own]);
                assert!(seen[0] == "198.51.100.7" || seen[0] == "2001:db8::7", "{forged}, {own}: {seen:?}");
                assert_eq!(seen[0], apart[0]);
                assert!(!seen[1..].contains(&"192.0.2.1".to_owned()), "{forged}: {seen:?}");
            }
        }
    }

    proptest! {
        // IPA-5: whatever a caller sent, also as a host, the element that a proxy appends is read as it was written.
        #[test]
        fn what_stands_on_the_left_changes_nothing_on_the_right(
            forged in proptest::collection::vec(any::<u8>(), 0..80),
            addr: IpAddr,
            host in proptest::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8], 0..20),
        ) {
            let escaped = |byte: &u8| if b"\"\\".contains(byte) { vec![b'\\', *byte] } else { vec![*byte] };
            let host = [b"host=\"", host.iter().flat_map(escaped).collect::<Vec<_>>().as_slice(), b"\""].concat();
            let own = match addr {
                IpAddr::V4(addr) => [format!("for={addr};").as_bytes(), &host].concat(),
                IpAddr::V6(addr) => [&host, format!(";for=\"[{addr}]:443\"").as_bytes()].concat(),
            };
            let line = [forged.as_slice(), b", ", &own].concat();
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let headers = HeaderMap::from_iter([(FORWARDED, value)]);
                prop_assert_eq!(super::forwarded(&headers).next(), Some(Some(addr.to_canonical())));
            }
        }
    }
}
