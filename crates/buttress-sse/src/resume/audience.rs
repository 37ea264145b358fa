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
    /// Begins to count, for as long as the producer holds what it gets.
    pub(crate) fn open(self: &Arc<Self>, key: &StreamKey) -> Audience {
        let (sender, readers) = watch::channel(0);
        lock(&self.known).insert(key.clone(), sender);
        Audience { audiences: self.clone(), key: key.clone(), readers }
    }

    /// Takes a seat, if readers of this stream are counted here.
    pub(crate) fn join(&self, key: &StreamKey) -> Option<Seat> {
        let known = lock(&self.known);
        let readers = known.get(key)?.clone();
        // Under the lock, so that nobody leaves for want of readers at the same moment.
        readers.send_modify(|count| *count += 1);
        Some(Seat { readers })
    }

    /// Ends the count if it is zero.
    fn close_if_empty(&self, key: &StreamKey) -> bool {
        let mut known = lock(&self.known);
        let empty = known.get(key).is_none_or(|readers| *readers.borrow() == 0);
        if empty {
            known.remove(key);
        }
        empty
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
        loop {
            // The sender is known until this closes it.
            if self.readers.wait_for(|readers| *readers == 0).await.is_err() {
                return;
            }
            let returned = timeout(grace, self.readers.wait_for(|readers| *readers > 0)).await.is_ok();
            if !returned && self.audiences.close_if_empty(&self.key) {
                return;
            }
        }
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let mut known = lock(&self.audiences.known);
        // Not that of a later stream with this key.
        if known.get(&self.key).is_some_and(|readers| readers.subscribe().same_channel(&self.readers)) {
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
