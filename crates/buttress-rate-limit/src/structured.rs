//! Lists of strings with parameters, as structured fields (RFC 9651) write them: what the rate limit fields are made of.
//! Pure.

/// A member of such a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, Bare)>,
}

/// A value without parameters. What the fields have no use for is read and not kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bare {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    Other,
}

/// Reads a whole list. `None` if it is malformed anywhere, or a member of it is no string.
pub(crate) fn list(field: &[u8]) -> Option<Vec<Member>> {
    let mut rest = Rest(field);
    let mut members = Vec::new();
    rest.skip(b" ");
    while !rest.0.is_empty() {
        let Bare::Text(name) = rest.bare()? else { return None };
        members.push(Member { name, parameters: rest.parameters()? });
        rest.skip(b" \t");
        if rest.0.is_empty() {
            break;
        }
        rest.expect(b',')?;
        rest.skip(b" \t");
        // A comma wants a member after it.
        (!rest.0.is_empty()).then_some(())?;
    }
    Some(members)
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn skip(&mut self, bytes: &[u8]) {
        while let Some((first, rest)) = self.0.split_first().filter(|(first, _)| bytes.contains(first)) {
            let _ = first;
            self.0 = rest;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !fits(*byte)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    fn parameters(&mut self) -> Option<Vec<(String, Bare)>> {
        let mut parameters: Vec<(String, Bare)> = Vec::new();
        while self.0.first() == Some(&b';') {
            self.next();
            self.skip(b" ");
            let key = self.key()?;
            let value = if self.0.first() == Some(&b'=') {
                self.next();
                self.bare()?
            } else {
                Bare::Other
            };
            // The last one of a name counts, in the place of the first.
            match parameters.iter().position(|(name, _)| *name == key) {
                Some(at) => parameters[at].1 = value,
                None if parameters.len() < MOST_PARAMETERS => parameters.push((key, value)),
                None => return None,
            }
        }
        Some(parameters)
    }

    fn key(&mut self) -> Option<String> {
        let first = *self.0.first()?;
        if !first.is_ascii_lowercase() && first != b'*' {
            return None;
        }
        let key = self.take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b));
        Some(ascii(key))
    }

    fn bare(&mut self) -> Option<Bare> {
        match *self.0.first()? {
            b'"' => self.text().map(Bare::Text),
            b':' => self.bytes().map(Bare::Bytes),
            b'-' | b'0'..=b'9' => self.number(),
            b'?' => {
                self.next();
                matches!(self.next()?, b'0' | b'1').then_some(Bare::Other)
            }
            b'@' => {
                self.next();
                matches!(self.number()?, Bare::Integer(_)).then_some(Bare::Other)
            }
            b'%' => {
                self.next();
                self.display_text().map(|()| Bare::Other)
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                self.take_while(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&b));
                Some(Bare::Other)
            }
            _ => None,
        }
    }

    /// Up to 15 digits, or up to 12 and three after a point.
    fn number(&mut self) -> Option<Bare> {
        let negative = self.0.first() == Some(&b'-');
        if negative {
            self.next();
        }
        let whole = self.take_while(|b| b.is_ascii_digit());
        if self.0.first() == Some(&b'.') {
            self.next();
            let fraction = self.take_while(|b| b.is_ascii_digit());
            return ((1..=12).contains(&whole.len()) && (1..=3).contains(&fraction.len())).then_some(Bare::Other);
        }
        let number: i64 = (1..=15).contains(&whole.len()).then(|| ascii(whole).parse().ok())??;
        Some(Bare::Integer(if negative { -number } else { number }))
    }

    fn text(&mut self) -> Option<String> {
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => return Some(ascii(&text)),
                b'\\' => text.push(self.next().filter(|byte| b"\"\\".contains(byte))?),
                byte @ 0x20..=0x7e => text.push(byte),
                _ => return None,
            }
        }
    }

    fn display_text(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'%' => {
                    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                    (hex(self.next()?) && hex(self.next()?)).then_some(())?;
                }
                0x20..=0x7e => {}
                _ => return None,
            }
        }
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        self.expect(b':')?;
        let coded = self.take_while(|b| b != b':');
        self.expect(b':')?;
        base64(coded)
    }
}

/// More parameters on one member are nobody's.
const MOST_PARAMETERS: usize = 32;

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Padding may be missing, as RFC 9651 asks readers to allow.
fn base64(coded: &[u8]) -> Option<Vec<u8>> {
    let padding = coded.iter().rev().take_while(|byte| **byte == b'=').count();
    let coded = &coded[..coded.len() - padding];
    if padding > 2 || coded.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(coded.len());
    for chunk in coded.chunks(4) {
        let mut bits = 0_u32;
        for byte in chunk {
            bits = bits << 6 | u32::from(sextet(*byte)?);
        }
        bits <<= 6 * (4 - chunk.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_their_parameters_are_read() {
        let read =
            list(br#""a\"b";q=60;w=-1;x;y=?1;z=1.5;pk=:aGVsbG8=:;t=tok/en;d=@17;u=%"%c3%bc";s="x", "b";q=1;q=2"#)
                .unwrap();
        assert_eq!(read[0].name, "a\"b");
        let find = |name: &str| read[0].parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        assert_eq!(find("q"), Some(Bare::Integer(60)));
        assert_eq!(find("w"), Some(Bare::Integer(-1)));
        assert_eq!(find("pk"), Some(Bare::Bytes(b"hello".to_vec())));
        assert_eq!(find("s"), Some(Bare::Text("x".into())));
        assert!(["x", "y", "z", "t", "d", "u"].iter().all(|name| find(name) == Some(Bare::Other)));
        assert_eq!(read[1].parameters, [("q".to_owned(), Bare::Integer(2))]);
        assert_eq!(list(b""), Some(Vec::new()));
        assert_eq!(list(b"  \"a\"  ,\t\"b\"").map(|members| members.len()), Some(2));
    }

    #[test]
    fn what_is_malformed_is_none() {
        for bad in [
            "a",
            "1",
            "(\"a\")",
            "\"a",
            "\"a\"b",
            "\"a\",",
            ",\"a\"",
            "\"a\" \"b\"",
            "\"a\\x\"",
            "\"a\";",
            "\"a\";Q=1",
            "\"a\";q=",
            "\"a\";q=1234567890123456",
            "\"a\";q=1.",
            "\"a\";q=1.2345",
            "\"a\";q=--1",
            "\"a\";q=:a:",
            "\"a\";q=:a?a:",
            "\"a\";q=:aa",
            "\"a\";q=?2",
            "\"a\";q=%\"%zz\"",
            "\"ü\"",
            "\"a\"; ;q",
            "\"a\";q=@1.5",
        ] {
            assert_eq!(list(bad.as_bytes()), None, "{bad}");
        }
        let many: String = (0..40).map(|i| format!(";a{i}")).collect();
        assert_eq!(list(format!("\"a\"{many}").as_bytes()), None);
    }
}
