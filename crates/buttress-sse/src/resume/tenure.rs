use std::{sync::Arc, time::Duration};

use buttress_core::CorrelationId;
use bytes::Bytes;
use tokio::time::sleep;

use crate::{
    Cursor, EventLog, StreamKey, Written,
    resume::{failure::Failure, settings::Settings, stamp::Draft},
};

/// The right to write a stream, and the duty to end it.
pub(crate) struct Tenure<L: EventLog> {
    log: Arc<L>,
    key: StreamKey,
    /// The position of the last event.
    at: Cursor,
    correlation_id: Option<CorrelationId>,
    settings: Arc<Settings>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    Open,
    /// Ended, or no longer ours to end.
    Over,
}

/// The stream is no longer ours.
#[derive(Debug)]
pub(crate) struct Lost;

impl<L: EventLog> Tenure<L> {
    pub(crate) fn new(
        log: Arc<L>,
        key: StreamKey,
        at: Cursor,
        correlation_id: Option<CorrelationId>,
        settings: Arc<Settings>,
    ) -> Self {
        Self { log, key, at, correlation_id, settings, phase: Phase::Starting }
    }

    pub(crate) fn at(&self) -> &Cursor {
        &self.at
    }

    /// Gives the stream up before it was opened.
    pub(crate) fn release(mut self) -> L::Write {
        self.phase = Phase::Over;
        self.log.forget(&self.key, &self.at)
    }

    pub(crate) fn open(&mut self) -> L::Write {
        self.phase = Phase::Open;
        self.hold()
    }

    /// Renews the lease of a stream that may yet be given up.
    pub(crate) fn hold(&self) -> L::Write {
        self.log.open(&self.key, &self.at)
    }

    /// Whether the stream is no longer ours is for the next write to find out.
    pub(crate) fn told(&self, held: Result<Written, L::Error>) {
        if let Err(error) = held {
            self.settings.report(&error);
        }
    }

    pub(crate) async fn renew(&mut self) -> Result<(), Lost> {
        self.written(|log, key, at| log.open(key, at), self.at.clone()).await
    }

    pub(crate) async fn append(&mut self, draft: &Draft) -> Result<(), Lost> {
        let at = self.next();
        let event = draft.encode_at(&at);
        self.written(|log, key, at| log.append(key, at, event.clone()), at).await
    }

    pub(crate) async fn finish(mut self, failure: Option<Failure>) {
        let (at, event) = self.ending(failure);
        // Whoever has finished it instead has told the readers.
        let _finished = self.written(|log, key, at| log.finish(key, at, event.clone()), at).await;
        self.phase = Phase::Over;
    }

    /// Where the stream ends, and with which event.
    fn ending(&self, failure: Option<Failure>) -> (Cursor, Option<Bytes>) {
        let Some(failure) = failure else {
            return (self.at.clone(), None);
        };
        let at = self.next();
        let event = failure.event(self.correlation_id.as_ref()).encode_at(&at);
        (at, Some(event))
    }

    fn next(&self) -> Cursor {
        self.at.at(self.at.offset() + 1)
    }

    /// Writes, again if the log fails, for a repetition changes nothing.
    async fn written(&mut self, write: impl Fn(&L, &StreamKey, &Cursor) -> L::Write, at: Cursor) -> Result<(), Lost> {
        for pause in PAUSES {
            match write(&self.log, &self.key, &at).await {
                Ok(Written::Done) => {
                    self.at = at;
                    return Ok(());
                }
                Ok(Written::Refused) => break,
                Err(error) => self.settings.report(&error),
            }
            sleep(pause).await;
        }
        // A log that is out of reach is told by the lease, which lapses.
        self.phase = Phase::Over;
        Err(Lost)
    }
}

impl<L: EventLog> Drop for Tenure<L> {
    /// A log that needs a round trip learns of it when the lease lapses.
    fn drop(&mut self) {
        match self.phase {
            Phase::Starting => drop(self.log.forget(&self.key, &self.at)),
            Phase::Open => {
                let (at, event) = self.ending(Some(Failure::Interrupted));
                drop(self.log.finish(&self.key, &at, event));
            }
            Phase::Over => {}
        }
    }
}

/// Between the attempts of one write; less than a lease together.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(5),
];

/// How long a stream whose producer has vanished counts as live.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
