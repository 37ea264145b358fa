//! A line between a client and a server that breaks on command.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::broadcast::{self, Receiver, Sender},
    task::JoinHandle,
};

/// Passes bytes on, connection by connection, until it is told otherwise. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    orders: Sender<Order>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Cut,
    Silence,
}

impl Proxy {
    /// Listens on a free port, for connections that go on to `target`.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let (orders, _) = broadcast::channel(16);
        let accepting = tokio::spawn(accept(listener, target, orders.clone()));
        Self { addr, orders, accepting }
    }

    /// Where it listens, as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Closes every connection on both sides. Says how many there were.
    pub fn cut(&self) -> usize {
        self.orders.send(Order::Cut).unwrap_or(0)
    }

    /// Keeps the connections that carry events open on both sides, and passes nothing on any more: a dead line.
    ///
    /// Connections that are made later work.
    pub fn silence(&self) {
        // Without connections there is nobody to hear it, and nothing to silence.
        let _ = self.orders.send(Order::Silence);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, orders: Sender<Order>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(pass(near, target, orders.subscribe()));
    }
}

async fn pass(mut near: TcpStream, target: SocketAddr, mut orders: Receiver<Order>) -> io::Result<()> {
    let mut far = TcpStream::connect(target).await?;
    let carries_events = AtomicBool::new(false);
    let (mut from_near, to_near) = near.split();
    let (mut from_far, to_far) = far.split();
    let there = forward(&mut from_near, to_far, |bytes| {
        let asks_for_events = bytes.windows(EVENTS.len()).any(|window| window == EVENTS);
        carries_events.store(asks_for_events, Ordering::Relaxed);
    });
    let back = forward(&mut from_far, to_near, |_| ());
    tokio::pin!(there, back);
    loop {
        let order = tokio::select! {
            end = &mut there => return end,
            end = &mut back => return end,
            order = orders.recv() => order,
        };
        match order {
            Ok(Order::Silence) if carries_events.load(Ordering::Relaxed) => break,
            Ok(Order::Silence) => {}
            Ok(Order::Cut) | Err(_) => return Ok(()),
        }
    }
    while let Ok(Order::Silence) = orders.recv().await {}
    Ok(())
}

async fn forward(from: &mut ReadHalf<'_>, mut to: WriteHalf<'_>, mut look: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        look(&buffer[..n]);
        to.write_all(&buffer[..n]).await?;
    }
}

const EVENTS: &[u8] = b"/events";
