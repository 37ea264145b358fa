//! Who reads a stream whose producer ends with its readers.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::{
    StreamKey,
    sync::{Mutex, lock},
};

/// The streams that this process produces, and how many readers each has here.
#[derive(Debug, Default)]
pub(crate) struct Audiences {
    known: Mutex<HashMap<StreamKey, watch::Sender<usize>>>,
}

impl Audiences {
    /// Begins to count, for as long as the producer holds what it gets. A stream whose key another has got in between is
    /// counted with that one.
    pub(crate) fn open(self: &Arc<Self>, key: &StreamKey) -> Audience {
        let readers = lock(&self.known).entry(key.clone()).or_default().subscribe();
        Audience { audiences: self.clone(), key: key.clone(), readers }
    }

    /// Takes a seat, if readers of this stream are counted here.
    pub(crate) fn join(&self, key: &StreamKey) -> Option<Seat> {
        let readers = lock(&self.known).get(key)?.clone();
        readers.send_modify(|count| *count += 1);
        Some(Seat { readers })
    }
}

/// The readers of one stream, as its producer sees them.
#[derive(Debug)]
pub(crate) struct Audience {
    audiences: Arc<Audiences>,
    key: StreamKey,
    readers: watch::Receiver<usize>,
}

impl Audience {
    /// Resolves once nobody has read for this long.
    pub(crate) async fn gone_for(mut self, grace: Duration) {
        // The sender is known for as long as this is there, so that neither wait fails.
        while self.readers.wait_for(|readers| *readers == 0).await.is_ok() {
            let returned = timeout(grace, self.readers.wait_for(|readers| *readers > 0)).await.is_ok();
            if !returned {
                return;
            }
        }
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let mut known = lock(&self.audiences.known);
        // This one is still counted.
        if known.get(&self.key).is_some_and(|readers| readers.receiver_count() == 1) {
            known.remove(&self.key);
        }
    }
}

/// The seat of one reader.
#[derive(Debug)]
pub(crate) struct Seat {
    readers: watch::Sender<usize>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.readers.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A later stream has the key once the log has forgotten the first one, by `EventLog::forget` for instance.
    #[tokio::test(start_paused = true)]
    async fn a_producer_whose_key_another_has_got_ends_when_nobody_reads() {
        let (audiences, key, grace) = (Arc::<Audiences>::default(), StreamKey::unscoped("a"), Duration::from_secs(1));
        let first = audiences.open(&key);
        let seat = audiences.join(&key);
        let second = audiences.open(&key);
        drop(seat);
        timeout(grace * 2, first.gone_for(grace)).await.expect("nobody reads");
        let seat = audiences.join(&key);
        assert!(timeout(grace * 2, second.gone_for(grace)).await.is_err(), "the readers of the other are counted on");
        drop(seat);
        assert!(audiences.join(&key).is_none() && lock(&audiences.known).is_empty());
    }
}
