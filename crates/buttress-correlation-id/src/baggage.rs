use std::{borrow::Cow, str};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field of W3C Baggage.
pub(crate) const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// What an application says of a request to all who take part in it: W3C Baggage (COR-6).
///
/// A list of `key=value`, each with properties behind `;`, as it came, without blanks around members. Members outside the
/// grammar are left out, each alone; so are those, from the right, beyond [`Baggage::MAX_MEMBERS`] members or
/// [`Baggage::MAX_LEN`] bytes. None is ever cut in two.
///
/// A request extension where [`CorrelationLayer::baggage`](crate::CorrelationLayer::baggage) is on. It may hold what is
/// nobody else's business, so it leaves only through clients that say so:
/// [`OutboundLayer::baggage`](crate::OutboundLayer::baggage).
///
/// # Examples
///
/// ```
/// use buttress_correlation_id::Baggage;
/// use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// headers.append("baggage", HeaderValue::from_static("user=Am%C3%A9lie, plan=pro;ttl=60"));
/// headers.append("baggage", HeaderValue::from_static("bad key=1"));
///
/// let baggage = Baggage::from_headers(&headers).expect("two members fit");
/// assert_eq!(baggage.get("user").as_deref(), Some("Amélie"));
/// assert_eq!(baggage.as_str(), "user=Am%C3%A9lie,plan=pro;ttl=60");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Baggage(HeaderValue);

impl Baggage {
    /// The most members that are carried: as many as W3C asks for.
    pub const MAX_MEMBERS: usize = 64;

    /// The most bytes that are carried: as many as W3C asks for.
    pub const MAX_LEN: usize = 8_192;

    /// Reads all lines of the field as one list; `None` when there is nothing to carry.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(&BAGGAGE).into_iter().filter_map(|line| line.to_str().ok());
        let members = lines.flat_map(|line| line.split(',')).map(|raw| raw.trim_matches([' ', '\t']));
        let mut list = String::new();
        for member in members.filter(|member| fits(member)).take(Self::MAX_MEMBERS) {
            let comma = usize::from(!list.is_empty());
            if list.len() + comma + member.len() > Self::MAX_LEN {
                break;
            }
            list.push_str(&","[..comma]);
            list.push_str(member);
        }
        let value = HeaderValue::try_from(&list).expect("the grammar is a part of what headers take");
        (!list.is_empty()).then_some(Self(value))
    }

    /// The value of the first member with this key, percent-decoded; what is no UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.as_str().split(',').find_map(|member| {
            let (found, value, _) = split(member)?;
            (found == key).then(|| decode(value))
        })
    }

    /// The list as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).expect("only ASCII passes the constructor")
    }

    /// The list as the value of one field, which shares its bytes.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Key, value and, behind the first `;`, properties, without blanks around them.
fn split(member: &str) -> Option<(&str, &str, &str)> {
    let (pair, properties) = member.split_once(';').unwrap_or((member, ""));
    let (key, value) = pair.split_once('=')?;
    Some((key.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']), properties))
}

fn fits(member: &str) -> bool {
    split(member).is_some_and(|(key, value, properties)| {
        // Properties are passed on unread; no control byte gets as far as this.
        !key.is_empty() && key.bytes().all(is_token) && value.bytes().all(is_octet) && properties.is_ascii()
    })
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return Cow::Borrowed(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = (first == b'%').then(|| behind.get(..2).and_then(byte)).flatten();
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Two digits of either case.
fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Option<Baggage> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(BAGGAGE, HeaderValue::from_str(line).unwrap());
        }
        Baggage::from_headers(&headers)
    }

    fn kept(lines: &[&str]) -> String {
        read(lines).unwrap().as_str().to_owned()
    }

    // COR-6
    #[test]
    fn lines_are_combined_and_bad_members_left_out() {
        assert_eq!(kept(&["a=1 , b = 2;p=x;q", "c="]), "a=1,b = 2;p=x;q,c=");
        assert_eq!(kept(&["a b=1,,=2,x,a=\"1\",a=\\,ok=1"]), "ok=1");
        assert_eq!(read(&["", "x"]), None);
    }

    // COR-6
    #[test]
    fn sixty_four_members_are_carried() {
        let list: Vec<_> = (0..70).map(|i| format!("k{i}=v")).collect();
        assert_eq!(kept(&[&list.join(",")]), list[..64].join(","));
    }

    // COR-6
    #[test]
    fn eight_kilobytes_are_carried_and_no_member_is_cut() {
        let (first, fits) = (format!("a={}", "1".repeat(4_000)), format!("b={}", "2".repeat(8_192 - 4_002 - 3)));
        let list = format!("{first},{fits}");
        assert_eq!(list.len(), 8_192);
        assert_eq!(kept(&[&list]), list);
        assert_eq!(kept(&[&format!("{list}2")]), first);
        assert_eq!(kept(&[&format!("{list},c=3")]), list);
    }

    // COR-6
    #[test]
    fn values_are_percent_decoded_and_what_is_no_text_is_replaced() {
        let baggage = read(&["a=%C3%a9%20x,b=%FF1,c=%4,d=%zz,e=50%,a=second"]).unwrap();
        for (key, value) in [("a", "\u{e9} x"), ("b", "\u{fffd}1"), ("c", "%4"), ("d", "%zz"), ("e", "50%")] {
            assert_eq!(baggage.get(key).as_deref(), Some(value));
        }
        assert_eq!(baggage.get("z"), None);
    }

    proptest! {
        // COR-6, COR-10
        #[test]
        fn what_is_carried_reads_the_same_again(line in "[a-c=,; \t%\"\\\\1]{0,40}") {
            if let Some(baggage) = read(&[&line]) {
                prop_assert_eq!(kept(&[baggage.as_str()]), baggage.as_str());
            }
        }

        // COR-6
        #[test]
        fn any_value_is_decoded_without_a_panic(value in "[!-~]{0,20}") {
            let _ = decode(&value);
        }
    }
}
