use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tracing::{error, warn};

/// How long to wait when no connection can be accepted: for want of file descriptors, for instance.
const PAUSE: Duration = Duration::from_secs(1);

/// The next connection. What goes wrong with one that is not yet there is no reason to end.
pub(super) async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    warn!(%error, "no_nodelay");
                }
                return (stream, peer);
            }
            Err(error) if is_the_callers(&error) => {}
            Err(error) => {
                error!(%error, "cannot_accept");
                sleep(PAUSE).await;
            }
        }
    }
}

/// Whoever wanted to connect is gone again.
fn is_the_callers(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}
