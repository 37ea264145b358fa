//! One event stream: what was published, heartbeats between, and the faults of its connection.

use std::{collections::VecDeque, io, sync::Arc};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::time::{Instant, sleep_until};

use crate::{Cut, EventMode, bus::Subscription, cut, stamp, world::World};

/// The bytes of a stream that is one `test` event.
pub(crate) const TEST: &str = "data: {\"type\":\"test\",\"message\":\"SSE endpoint working\"}\r\n\r\n";

struct Feed {
    world: Arc<World>,
    subscription: Subscription,
    next_ping: Instant,
    wire: Wire,
}

/// What becomes of bytes on their way out.
#[derive(Debug)]
struct Wire {
    cut: Option<Cut>,
    buffer: Option<usize>,
    held: BytesMut,
    ready: VecDeque<Bytes>,
    events: usize,
    bytes: usize,
    broken: bool,
}

/// A body that goes on until the client leaves, or its connection is cut.
pub(crate) fn body(world: Arc<World>, subscription: Subscription, mode: &EventMode) -> Body {
    let next_ping = Instant::now() + world.live().settings.heartbeat;
    let feed = Feed { world, subscription, next_ping, wire: Wire::new(mode) };
    Body::from_stream(stream::unfold(Some(feed), |feed| async {
        let mut feed = feed?;
        match feed.next().await {
            Some(bytes) => Some((Ok::<Bytes, io::Error>(bytes), Some(feed))),
            None => Some((Err(cut::cut().await), None)),
        }
    }))
}

impl Feed {
    /// The next bytes; none when the connection is to be dropped.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.wire.ready.pop_front() {
                return Some(bytes);
            }
            if self.wire.broken {
                return None;
            }
            tokio::select! {
                biased;
                event = self.subscription.next() => self.event(&event),
                () = sleep_until(self.next_ping) => self.ping(),
            }
        }
    }

    fn event(&mut self, event: &Bytes) {
        let mode = self.world.mode();
        let times = match (mode.publish, mode.duplicate) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        for _ in 0..times {
            self.wire.event(event.clone());
        }
    }

    fn ping(&mut self) {
        self.next_ping += self.world.live().settings.heartbeat;
        if self.world.mode().heartbeat {
            let ping = format!(": ping - {}\r\n\r\n", stamp::python());
            self.wire.send(ping.into());
        }
    }
}

impl Wire {
    fn new(mode: &EventMode) -> Self {
        Self {
            cut: mode.cut,
            buffer: mode.buffer,
            held: BytesMut::new(),
            ready: VecDeque::new(),
            events: 0,
            bytes: 0,
            broken: mode.cut == Some(Cut::AfterBytes(0)),
        }
    }

    fn event(&mut self, mut event: Bytes) {
        let last = self.cut == Some(Cut::AfterEvents(self.events));
        if last {
            event.truncate(event.len() / 2);
        }
        self.events += 1;
        self.send(event);
        if last {
            self.break_off();
        }
    }

    fn send(&mut self, mut bytes: Bytes) {
        if self.broken {
            return;
        }
        if let Some(Cut::AfterBytes(limit)) = self.cut {
            bytes.truncate(limit - self.bytes);
        }
        self.bytes += bytes.len();
        self.held.extend_from_slice(&bytes);
        if self.held.len() >= self.buffer.unwrap_or(1) {
            self.flush();
        }
        if self.cut == Some(Cut::AfterBytes(self.bytes)) {
            self.break_off();
        }
    }

    fn break_off(&mut self) {
        self.flush();
        self.broken = true;
    }

    fn flush(&mut self) {
        if !self.held.is_empty() {
            self.ready.push_back(self.held.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mode: &EventMode, events: &[&'static str]) -> (Vec<String>, bool) {
        let mut wire = Wire::new(mode);
        for event in events {
            wire.event(Bytes::from_static(event.as_bytes()));
        }
        let ready = wire.ready.iter();
        let ready = ready.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        (ready.collect(), wire.broken)
    }

    #[test]
    fn a_cut_after_events_halves_the_next_one() {
        let mode = EventMode::default().cut(Cut::AfterEvents(1));
        let (out, broken) = sent(&mode, &["abcd", "efgh", "ijkl"]);
        assert_eq!(out, ["abcd", "ef"]);
        assert!(broken);
    }

    #[test]
    fn a_cut_after_bytes_is_exact() {
        let mode = EventMode::default().cut(Cut::AfterBytes(6));
        assert_eq!(sent(&mode, &["abcd", "efgh", "ijkl"]), (vec!["abcd".to_owned(), "ef".to_owned()], true));
        let none = EventMode::default().cut(Cut::AfterBytes(0));
        assert_eq!(sent(&none, &["abcd"]), (Vec::new(), true));
    }

    #[test]
    fn a_buffer_holds_bytes_back_until_its_limit_or_the_cut() {
        let mode = EventMode::default().buffer(6);
        assert_eq!(sent(&mode, &["abcd"]).0, Vec::<String>::new());
        assert_eq!(sent(&mode, &["abcd", "efgh", "ijkl"]).0, ["abcdefgh"]);
        let mode = mode.buffer(usize::MAX).cut(Cut::AfterEvents(1));
        assert_eq!(sent(&mode, &["abcd", "efgh"]).0, ["abcdef"]);
    }
}
