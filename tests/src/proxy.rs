//! A line between a client and a server that breaks on command.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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
    cuts: Arc<Cuts>,
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
        let cuts = Arc::default();
        let accepting = tokio::spawn(accept(listener, target, orders.clone(), Arc::clone(&cuts)));
        Self { addr, orders, cuts, accepting }
    }

    /// Where it listens, as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Closes every connection on both sides. Says how many there were.
    pub fn cut(&self) -> usize {
        self.orders.send(Order::Cut).unwrap_or(0)
    }

    /// Cuts each of the next connections that carry events in the middle of one of its events: the first connection in
    /// its `events[0]`th, counted from 1, and so on.
    pub fn cut_within(&self, events: &[usize]) {
        self.cuts.to_come.fetch_add(events.len(), Ordering::Relaxed);
        self.cuts.lock().extend(events);
    }

    /// How many of those cuts are still to come.
    pub fn cuts_to_come(&self) -> usize {
        self.cuts.to_come.load(Ordering::Relaxed)
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

/// In which of their events the next connections are to be cut.
#[derive(Debug, Default)]
struct Cuts {
    events: Mutex<VecDeque<usize>>,
    to_come: AtomicUsize,
}

impl Cuts {
    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one connection carries.
#[derive(Debug, Default)]
struct Cargo {
    /// So many events, [`ALL`] of them, or none, which stands for anything but events.
    events: AtomicUsize,
}

impl Cargo {
    fn has_events(&self) -> bool {
        self.events.load(Ordering::Relaxed) > 0
    }

    /// Looks at what the client sends.
    fn look(&self, request: &[u8], cuts: &Cuts) {
        let asks = request.windows(EVENTS.len()).any(|window| window == EVENTS);
        let events = if asks { cuts.lock().pop_front().unwrap_or(ALL) } else { 0 };
        self.events.store(events, Ordering::Relaxed);
    }

    /// How many bytes of an answer may pass, if not all.
    fn end_in(&self, answer: &[u8]) -> Option<usize> {
        let nth = self.events.load(Ordering::Relaxed).checked_sub(1)?;
        let mut data = answer.windows(DATA.len()).enumerate().filter(|(_, window)| *window == DATA);
        data.nth(nth).map(|(at, _)| at + DATA.len())
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, orders: Sender<Order>, cuts: Arc<Cuts>) {
    while let Ok((near, _)) = listener.accept().await {
        tokio::spawn(pass(near, target, orders.subscribe(), Arc::clone(&cuts)));
    }
}

async fn pass(mut near: TcpStream, target: SocketAddr, mut orders: Receiver<Order>, cuts: Arc<Cuts>) -> io::Result<()> {
    let mut far = TcpStream::connect(target).await?;
    let cargo = Cargo::default();
    let (mut from_near, to_near) = near.split();
    let (mut from_far, to_far) = far.split();
    let there = forward(&mut from_near, to_far, |bytes| {
        cargo.look(bytes, &cuts);
        None
    });
    let mut answer = Vec::new();
    let back = forward(&mut from_far, to_near, |bytes| {
        let before = answer.len();
        answer.extend_from_slice(bytes);
        let end = cargo.end_in(&answer)?;
        cuts.to_come.fetch_sub(1, Ordering::Relaxed);
        Some(end - before)
    });
    tokio::pin!(there, back);
    loop {
        let order = tokio::select! {
            end = &mut there => return end,
            end = &mut back => return end,
            order = orders.recv() => order,
        };
        match order {
            Ok(Order::Silence) if cargo.has_events() => break,
            Ok(Order::Silence) => {}
            Ok(Order::Cut) | Err(_) => return Ok(()),
        }
    }
    while let Ok(Order::Silence) = orders.recv().await {}
    Ok(())
}

/// Passes on what comes, until it ends, or as far as `end` says.
async fn forward(
    from: &mut ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut end: impl FnMut(&[u8]) -> Option<usize>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        let end = end(&buffer[..n]);
        to.write_all(&buffer[..end.unwrap_or(n)]).await?;
        if end.is_some() {
            return Ok(());
        }
    }
}

const EVENTS: &[u8] = b"/events";

/// The middle of an event: it has begun, and its data has not ended.
const DATA: &[u8] = b"\ndata: {\"type";

const ALL: usize = usize::MAX;
