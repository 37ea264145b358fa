//! Published events on their way to subscribers, by channel; nothing is kept for those who come later.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// Most open event streams.
const MAX_SUBSCRIBERS: usize = 4096;
/// Events kept for one slow subscriber; it misses older ones.
const BACKLOG: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Bus {
    channels: Mutex<HashMap<String, Sender<Bytes>>>,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    name: String,
    heard: Receiver<Bytes>,
    bus: Arc<Bus>,
}

impl Bus {
    /// Subscribes, unless there are too many subscribers.
    pub(crate) fn subscribe(self: &Arc<Self>, name: String) -> Option<Subscription> {
        let mut channels = self.lock();
        let subscribers: usize = channels.values().map(Sender::receiver_count).sum();
        if subscribers >= MAX_SUBSCRIBERS {
            return None;
        }
        let sender = channels.entry(name.clone()).or_insert_with(|| broadcast::channel(BACKLOG).0);
        let heard = sender.subscribe();
        Some(Subscription { name, heard, bus: Arc::clone(self) })
    }

    pub(crate) fn publish(&self, name: &str, event: &Bytes) {
        if let Some(sender) = self.lock().get(name) {
            // The last subscriber may have gone a moment ago.
            let _ = sender.send(event.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Sender<Bytes>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    pub(crate) async fn next(&mut self) -> Bytes {
        loop {
            match self.heard.recv().await {
                Ok(event) => return event,
                Err(RecvError::Lagged(_)) => {}
                // Senders live as long as their subscribers; if not, silence is what the wire would show.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut channels = self.bus.lock();
        // This one is still counted.
        if channels.get(&self.name).is_some_and(|sender| sender.receiver_count() <= 1) {
            channels.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_those_who_are_there_hear_and_empty_channels_go() {
        let bus = Arc::new(Bus::default());
        bus.publish("a", &Bytes::from_static(b"early"));
        let mut first = bus.subscribe("a".to_owned()).unwrap();
        let second = bus.subscribe("a".to_owned()).unwrap();
        bus.publish("a", &Bytes::from_static(b"heard"));
        bus.publish("b", &Bytes::from_static(b"elsewhere"));
        assert_eq!(first.next().await, "heard");
        drop(second);
        assert_eq!(bus.lock().len(), 1);
        drop(first);
        assert!(bus.lock().is_empty());
    }

    #[tokio::test]
    async fn subscribers_are_bounded() {
        let bus = Arc::new(Bus::default());
        let all: Vec<_> = (0..MAX_SUBSCRIBERS).map(|_| bus.subscribe("a".to_owned()).unwrap()).collect();
        assert!(bus.subscribe("b".to_owned()).is_none());
        drop(all);
        assert!(bus.subscribe("b".to_owned()).is_some());
    }
}
