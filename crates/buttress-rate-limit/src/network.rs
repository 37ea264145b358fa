use std::{error::Error, fmt, net::IpAddr, str::FromStr};

/// A range of addresses, as `10.0.0.0/8` or `2001:db8::/32` say it; a single address is a range of one.
///
/// # Examples
///
/// ```
/// use buttress_rate_limit::Network;
///
/// let network: Network = "10.0.0.0/8".parse()?;
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(network.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!("10.0.0.1/8".parse::<Network>().is_err());
/// # Ok::<(), buttress_rate_limit::InvalidNetwork>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    addr: IpAddr,
    prefix: u8,
}

impl Network {
    /// The networks of loopback, of RFC 1918, of unique local addresses, and link-local ones: what proxies on the same
    /// machine or in the same private network have. Whoever else is in there is believed as well.
    pub const PRIVATE: [Self; 8] = [
        Self::v4([127, 0, 0, 0], 8),
        Self::v4([10, 0, 0, 0], 8),
        Self::v4([172, 16, 0, 0], 12),
        Self::v4([192, 168, 0, 0], 16),
        Self::v4([169, 254, 0, 0], 16),
        Self::v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
        Self::v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        Self::v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    ];

    const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Self {
        Self { addr: IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Self {
        Self { addr: IpAddr::V6(std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix }
    }

    /// The addresses that begin with the first `prefix` bits of `addr`, whose other bits are zero.
    ///
    /// # Errors
    ///
    /// When the prefix is longer than an address, or when other bits are set: then something else was meant.
    pub fn new(addr: IpAddr, prefix: u8) -> Result<Self, InvalidNetwork> {
        let rest = match addr {
            IpAddr::V4(addr) if prefix <= 32 => u128::from(addr.to_bits() & !mask_v4(prefix)),
            IpAddr::V6(addr) if prefix <= 128 => addr.to_bits() & !mask_v6(prefix),
            _ => return Err(InvalidNetwork(())),
        };
        if rest == 0 { Ok(Self { addr, prefix }.mapped()) } else { Err(InvalidNetwork(())) }
    }

    /// IPv4 in the guise of IPv6 is IPv4.
    fn mapped(self) -> Self {
        match self.addr.to_canonical() {
            addr @ IpAddr::V4(_) if self.addr.is_ipv6() && self.prefix >= 96 => Self { addr, prefix: self.prefix - 96 },
            _ => self,
        }
    }

    /// Whether an address is one of them. IPv4 addresses that are mapped into IPv6 are IPv4 addresses (IPA-6).
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        match (self.addr, addr.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(addr)) => addr.to_bits() & mask_v4(self.prefix) == network.to_bits(),
            (IpAddr::V6(network), IpAddr::V6(addr)) => addr.to_bits() & mask_v6(self.prefix) == network.to_bits(),
            _ => false,
        }
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

/// # Errors
///
/// When it is neither an address nor a range, and as for [`Network::new`].
impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (addr, prefix) = text.split_once('/').map_or((text, None), |(addr, prefix)| (addr, Some(prefix)));
        let addr: IpAddr = addr.parse().map_err(|_| InvalidNetwork(()))?;
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
        let prefix = prefix.map_or(Some(longest), digits).ok_or(InvalidNetwork(()))?;
        Self::new(addr, prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidNetwork(());

impl fmt::Display for InvalidNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a network looks like 10.0.0.0/8, with zeros after its prefix")
    }
}

impl Error for InvalidNetwork {}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, addr: &str) -> bool {
        network.parse::<Network>().unwrap().contains(addr.parse().unwrap())
    }

    #[test]
    fn prefixes_are_counted_in_bits() {
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"));
        assert!(contains("::/0", "fe80::1"));
    }

    // IPA-6
    #[test]
    fn mapped_addresses_are_those_that_they_stand_for() {
        assert!(contains("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(contains("::ffff:10.0.0.0/104", "10.0.0.1") && !contains("::ffff:10.0.0.0/104", "11.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in
            ["", "/", "10.0.0.0/33", "::/129", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/+8", "10.0.0/8", "010.0.0.0/8", "x"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn they_are_printed_as_they_are_read() {
        for text in ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for network in Network::PRIVATE {
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }
}
