use std::{net::IpAddr, num::NonZeroU8, sync::Arc};

use buttress_core::PeerAddr;
use http::{HeaderMap, HeaderName};

use crate::{Head, InvalidNetwork, Key, Network, NoKey, forwarded};

/// Finds the address of the client: that of the connection, or what proxies that are trusted wrote into one header.
///
/// | made by | who is believed |
/// |---|---|
/// | [`peer`](Self::peer) | the connection alone: no header has a say (IPA-1) |
/// | [`behind`](Self::behind) | one list header, walked from the right as long as the addresses are trusted networks (IPA-3) |
/// | [`hops`](Self::hops) | one list header: the n-th entry from the right (IPA-8) |
/// | [`single`](Self::single) | one header with one address, if the connection comes from a trusted network |
///
/// Whatever is chosen, no other header is ever read (IPA-2). An entry that is no address ends the walk: the client is then
/// the last proxy that was trusted (IPA-4). IPv6 addresses are one client for each /64 (IPA-7).
///
/// The address of the connection is the [`PeerAddr`] extension of the request, which the server puts there.
///
/// # Examples
///
/// ```
/// use buttress_core::PeerAddr;
/// use buttress_rate_limit::{ClientAddr, Head, ListHeader};
///
/// let addr = ClientAddr::behind(ListHeader::XForwardedFor, ["10.0.0.0/8".parse()?]);
///
/// let mut request = http::Request::builder().header("x-forwarded-for", "6.6.6.6, 203.0.113.9").body(())?;
/// request.extensions_mut().insert(PeerAddr("10.0.0.2:4711".parse()?));
/// // The proxy at 10.0.0.2 wrote the last entry. What stands before it came from the client.
/// assert_eq!(addr.find(&Head::of(&request))?.to_string(), "203.0.113.9");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientAddr {
    source: Source,
    prefix: u8,
}

#[derive(Clone, Debug)]
enum Source {
    Peer,
    Behind(ListHeader, Arc<[Network]>),
    Hops(ListHeader, NonZeroU8),
    Single(HeaderName, Arc<[Network]>),
}

/// A header to which each proxy on the way appends an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListHeader {
    /// `X-Forwarded-For`, which most proxies write.
    XForwardedFor,
    /// `Forwarded`, as RFC 7239 has it.
    Forwarded,
}

/// More trusted entries than this are not walked.
const MOST_HOPS: usize = 32;

impl ClientAddr {
    /// The address of the connection.
    #[must_use]
    pub const fn peer() -> Self {
        Self { source: Source::Peer, prefix: 64 }
    }

    /// The first address from the right, the connection first, that is none of these networks.
    ///
    /// If all are, it is the leftmost. At most 32 entries are walked.
    #[must_use]
    pub fn behind(header: ListHeader, trusted: impl IntoIterator<Item = Network>) -> Self {
        Self { source: Source::Behind(header, trusted.into_iter().collect()), prefix: 64 }
    }

    /// The n-th entry from the right, where so many proxies stand in front, each of which appends one.
    ///
    /// Only for servers that cannot be reached past these proxies. Fewer entries are an error and no guess. It needs no
    /// [`PeerAddr`], so that it does behind a Unix socket too.
    #[must_use]
    pub const fn hops(header: ListHeader, proxies: NonZeroU8) -> Self {
        Self { source: Source::Hops(header, proxies), prefix: 64 }
    }

    /// The one address in this header, as some CDNs write it, if the connection comes from one of these networks.
    ///
    /// Where the header is missing, doubled or no address, it is that of the connection.
    #[must_use]
    pub fn single(header: HeaderName, trusted: impl IntoIterator<Item = Network>) -> Self {
        Self { source: Source::Single(header, trusted.into_iter().collect()), prefix: 64 }
    }

    /// So many bits of an IPv6 address make a client, 64 unless set.
    ///
    /// # Errors
    ///
    /// When an address has fewer.
    pub fn ipv6_prefix(mut self, bits: u8) -> Result<Self, InvalidNetwork> {
        Network::new(IpAddr::from([0_u16; 8]), bits)?;
        self.prefix = bits;
        Ok(self)
    }

    /// The address of the client.
    ///
    /// # Errors
    ///
    /// When the request does not say who opened the connection, or passed fewer proxies than it should have.
    pub fn find(&self, head: &Head<'_>) -> Result<IpAddr, NoKey> {
        self.locate(head).map(|addr| addr.to_canonical())
    }

    #[inline]
    pub(crate) fn key(&self, head: &Head<'_>) -> Result<Key<'static>, NoKey> {
        let key = |addr| Key::network(addr, self.prefix);
        if matches!(self.source, Source::Peer) { peer(head).map(key) } else { self.locate(head).map(key) }
    }

    /// An IPv4 address may still be mapped into IPv6.
    #[inline(never)]
    fn locate(&self, head: &Head<'_>) -> Result<IpAddr, NoKey> {
        match &self.source {
            Source::Peer => peer(head),
            Source::Hops(header, proxies) => {
                header.nth(head.headers(), usize::from(proxies.get())).ok_or(NoKey::TooFewHops)
            }
            Source::Behind(header, trusted) => Ok(header.walk(head.headers(), peer(head)?, trusted)),
            Source::Single(header, trusted) => {
                let peer = peer(head)?;
                Ok(Some(peer).filter(|peer| trusts(trusted, *peer)).and_then(|_| only(head, header)).unwrap_or(peer))
            }
        }
    }
}

impl ListHeader {
    fn walk(self, headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> IpAddr {
        match self {
            Self::XForwardedFor => walk(forwarded::x_forwarded_for(headers), peer, trusted),
            Self::Forwarded => walk(forwarded::forwarded(headers), peer, trusted),
        }
    }

    fn nth(self, headers: &HeaderMap, n: usize) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => nth(forwarded::x_forwarded_for(headers), n),
            Self::Forwarded => nth(forwarded::forwarded(headers), n),
        }
    }
}

#[inline]
fn peer(head: &Head<'_>) -> Result<IpAddr, NoKey> {
    head.extensions().get::<PeerAddr>().map(|peer| peer.0.ip()).ok_or(NoKey::NoPeer)
}

/// Each address vouches for the one that stands before it, as long as it is trusted itself.
fn walk(entries: impl Iterator<Item = Option<IpAddr>>, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let mut client = peer;
    let mut entries = entries.take(MOST_HOPS);
    while trusts(trusted, client) {
        let Some(Some(addr)) = entries.next() else { break };
        client = addr;
    }
    client
}

/// The n-th entry, if all up to it are addresses.
fn nth(entries: impl Iterator<Item = Option<IpAddr>>, n: usize) -> Option<IpAddr> {
    let addrs = entries.map_while(|entry| entry);
    addrs.take(n).enumerate().find_map(|(i, addr)| (i + 1 == n).then_some(addr))
}

fn only(head: &Head<'_>, header: &HeaderName) -> Option<IpAddr> {
    let mut lines = head.headers().get_all(header).into_iter();
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    forwarded::address(line.as_bytes())
}

fn trusts(trusted: &[Network], addr: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(addr))
}
