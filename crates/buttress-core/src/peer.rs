use std::net::SocketAddr;

/// The address of whoever opened the connection, as the accept loop saw it.
///
/// A request extension. Servers put it there in their own ways (axum's `ConnectInfo`, warp's private extension);
/// layers that need the peer read this one, so that they work behind every server. It is the socket's peer: no header
/// of the request has a say in it.
///
/// # Examples
///
/// ```
/// use buttress_core::PeerAddr;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(PeerAddr("192.0.2.7:4711".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerAddr(pub SocketAddr);
