use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Whose bucket a request draws from: a text, a number, a network, or two of them together.
///
/// It borrows from the request, so that none is ever copied on the way to the memory store. What is shown by `Debug` is
/// its kind and length, never its content.
///
/// # Examples
///
/// ```
/// use buttress_rate_limit::Key;
///
/// let user = Key::text("alice");
/// let both = Key::number(42).and(user);
/// assert_ne!(both, user.and(Key::number(42)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    pub(crate) first: Part<'a>,
    pub(crate) second: Part<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Number(u64),
    V4(u32),
    /// The first bits of an address, as many as the prefix says, the rest zero.
    V6 {
        high: u64,
        low: u64,
        prefix: u8,
    },
}

impl<'a> Key<'a> {
    /// One bucket for all.
    pub const EVERYBODY: Key<'static> = Key { first: Part::Nothing, second: Part::Nothing };

    /// A text.
    #[must_use]
    pub const fn text(text: &'a str) -> Self {
        Self::bytes(text.as_bytes())
    }

    /// Any bytes.
    #[must_use]
    pub const fn bytes(bytes: &'a [u8]) -> Self {
        Self { first: Part::Bytes(bytes), second: Part::Nothing }
    }

    /// A number.
    #[must_use]
    pub const fn number(number: u64) -> Self {
        Self { first: Part::Number(number), second: Part::Nothing }
    }

    /// The network of an address: IPv4 addresses are one each, of IPv6 the first `prefix` bits count (IPA-7).
    ///
    /// An IPv4 address that is mapped into IPv6 is the IPv4 address (IPA-6). A prefix above 128 is 128.
    #[must_use]
    #[inline]
    pub fn network(addr: IpAddr, prefix: u8) -> Self {
        match addr {
            IpAddr::V4(addr) => Self::v4(addr),
            IpAddr::V6(addr) => addr.to_ipv4_mapped().map_or_else(|| Self::v6(addr, prefix), Self::v4),
        }
    }

    #[inline]
    fn v4(addr: Ipv4Addr) -> Self {
        Self { first: Part::V4(addr.to_bits()), second: Part::Nothing }
    }

    #[expect(clippy::cast_possible_truncation, reason = "cut in two halves")]
    fn v6(addr: Ipv6Addr, prefix: u8) -> Self {
        let prefix = prefix.min(128);
        let bits = addr.to_bits() & mask(prefix);
        Self { first: Part::V6 { high: (bits >> 64) as u64, low: bits as u64, prefix }, second: Part::Nothing }
    }

    /// This key and another one together. Two parts are the most: of longer keys the first parts count.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { first: self.first, second: other.first }
    }

    /// The key as bytes for stores elsewhere: two keys have the same ones only if they are the same.
    pub fn encode(&self, to: &mut Vec<u8>) {
        for part in [&self.first, &self.second] {
            part.encode(to);
        }
    }
}

/// The prefix that stands for IPv4 in bytes.
const V4: u8 = 255;

fn mask(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

impl Part<'_> {
    fn encode(&self, to: &mut Vec<u8>) {
        match *self {
            Self::Nothing => to.push(b'-'),
            Self::Bytes(bytes) => {
                to.push(b't');
                to.extend((bytes.len() as u64).to_be_bytes());
                to.extend(bytes);
            }
            Self::Number(number) => {
                to.push(b'n');
                to.extend(number.to_be_bytes());
            }
            Self::V4(addr) => encode_network(to, 0, addr.into(), V4),
            Self::V6 { high, low, prefix } => encode_network(to, high, low, prefix),
        }
    }
}

fn encode_network(to: &mut Vec<u8>, high: u64, low: u64, prefix: u8) {
    to.extend([b'a', prefix]);
    to.extend(high.to_be_bytes());
    to.extend(low.to_be_bytes());
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.first).field(&self.second).finish()
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Number(_) => f.write_str("number"),
            Self::V4(_) => f.write_str("IPv4 address"),
            Self::V6 { prefix, .. } => write!(f, "IPv6 network of {prefix} bits"),
        }
    }
}

/// A key that outlives its request, for what is charged or given back later.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct OwnedKey {
    first: OwnedPart,
    second: OwnedPart,
}

#[derive(Clone, PartialEq, Eq)]
enum OwnedPart {
    Bytes(Box<[u8]>),
    Other(Part<'static>),
}

impl OwnedKey {
    pub(crate) fn of(key: &Key<'_>) -> Self {
        Self { first: OwnedPart::of(key.first), second: OwnedPart::of(key.second) }
    }

    pub(crate) fn key(&self) -> Key<'_> {
        Key { first: self.first.part(), second: self.second.part() }
    }
}

impl OwnedPart {
    fn of(part: Part<'_>) -> Self {
        match part {
            Part::Bytes(bytes) => Self::Bytes(bytes.into()),
            Part::Nothing => Self::Other(Part::Nothing),
            Part::Number(number) => Self::Other(Part::Number(number)),
            Part::V4(addr) => Self::Other(Part::V4(addr)),
            Part::V6 { high, low, prefix } => Self::Other(Part::V6 { high, low, prefix }),
        }
    }

    fn part(&self) -> Part<'_> {
        match self {
            Self::Bytes(bytes) => Part::Bytes(bytes),
            Self::Other(part) => *part,
        }
    }
}

impl fmt::Debug for OwnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn network(addr: &str) -> Key<'static> {
        Key::network(addr.parse().unwrap(), 64)
    }

    // IPA-6, IPA-7, D11: tower_governor 0.8.0 gives each address of a /64 a bucket of its own.
    #[test]
    fn addresses_of_one_network_share_a_key() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_ne!(network("::c000:201"), network("192.0.2.1"), "not mapped");
        let addr = "2001:db8::1".parse().unwrap();
        assert_ne!(Key::network(addr, 128), Key::network("2001:db8::2".parse().unwrap(), 128));
        assert_eq!(Key::network(addr, 0), Key::network("fe80::2".parse().unwrap(), 0));
    }

    #[test]
    fn different_keys_have_different_bytes() {
        let keys = [
            Key::EVERYBODY,
            Key::text(""),
            Key::text("ab"),
            Key::text("a").and(Key::text("b")),
            Key::text("").and(Key::text("ab")),
            Key::number(0),
            Key::bytes(&[0; 8]),
            network("0.0.0.0"),
            network("::"),
            Key::network("::".parse().unwrap(), 48),
            Key::text("a").and(network("192.0.2.1")),
            network("192.0.2.1").and(Key::text("a")),
        ];
        let encode = |key: &Key<'_>| {
            let mut bytes = Vec::new();
            key.encode(&mut bytes);
            assert_eq!(OwnedKey::of(key).key(), *key);
            bytes
        };
        assert_eq!(keys.iter().map(encode).collect::<HashSet<_>>().len(), keys.len());
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Key::text("hunter2").and(network("::1"))), "Key(7 bytes, IPv6 network of 64 bits)");
    }
}
