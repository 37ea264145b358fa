//! Which streams a log knows, and when it forgets them (pure).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

/// Streams by key. Finished ones are forgotten by age, or early to make room.
#[derive(Debug)]
pub(crate) struct Registry<T> {
    streams: HashMap<Arc<str>, T>,
    /// The finished ones, in the order in which they finished.
    finished: VecDeque<(Instant, Arc<str>)>,
    max_streams: usize,
    age: Duration,
}

/// Why a stream was not added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Exists,
    AllLive,
}

/// Streams that were forgotten, to be dropped when no lock is held.
pub(crate) type Forgotten<T> = Vec<T>;

impl<T> Registry<T> {
    pub(crate) fn new(max_streams: usize, age: Duration) -> Self {
        Self { streams: HashMap::new(), finished: VecDeque::new(), max_streams, age }
    }

    /// Forgets what has been finished for longer than the age. Each stream costs this once.
    pub(crate) fn expire(&mut self, now: Instant) -> Forgotten<T> {
        let mut forgotten = Vec::new();
        while let Some((since, _)) = self.finished.front()
            && now.saturating_duration_since(*since) >= self.age
        {
            forgotten.extend(self.forget_first());
        }
        forgotten
    }

    /// Adds a live stream, in the place of the first that finished if there is no other.
    pub(crate) fn insert(&mut self, key: Arc<str>, stream: T) -> Result<Forgotten<T>, Refused> {
        if self.streams.contains_key(&key) {
            return Err(Refused::Exists);
        }
        let mut forgotten = Vec::new();
        if self.streams.len() >= self.max_streams {
            forgotten.push(self.forget_first().ok_or(Refused::AllLive)?);
        }
        self.streams.insert(key, stream);
        Ok(forgotten)
    }

    /// Notes that a live stream has finished, unless it has been forgotten since. It is called
    /// once for each stream.
    pub(crate) fn retire(&mut self, key: Arc<str>, now: Instant, is_it: impl FnOnce(&T) -> bool) {
        if self.streams.get(&key).is_some_and(is_it) {
            self.finished.push_back((now, key));
        }
    }

    pub(crate) fn find(&self, key: &str) -> Option<&T> {
        self.streams.get(key)
    }

    /// Forgets a stream before its time. Only if it may be noted as finished the notes are gone through.
    pub(crate) fn remove(&mut self, key: &str, finished: bool) -> Option<T> {
        if finished {
            self.finished.retain(|(_, noted)| **noted != *key);
        }
        self.streams.remove(key)
    }

    /// Forgets a live stream that is like this, if there is one; it looks through all of them.
    pub(crate) fn remove_one(&mut self, like: impl Fn(&T) -> bool) -> Option<T> {
        let (key, _) = self.streams.iter().find(|(_, stream)| like(stream))?;
        let key = key.clone();
        self.streams.remove(&key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.streams.values()
    }

    fn forget_first(&mut self) -> Option<T> {
        let (_, key) = self.finished.pop_front()?;
        self.streams.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(10);

    fn registry(streams: usize) -> Registry<u8> {
        Registry::new(streams, AGE)
    }

    // SSE-60
    #[test]
    fn a_key_is_taken_while_its_stream_is_known() {
        let mut known = registry(9);
        let now = Instant::now();
        assert_eq!(known.insert("a".into(), 1), Ok(vec![]));
        assert_eq!(known.insert("a".into(), 2), Err(Refused::Exists));
        known.retire("a".into(), now, |_| true);
        assert_eq!(known.insert("a".into(), 2), Err(Refused::Exists));
        assert_eq!(known.expire(now + AGE), [1]);
        assert_eq!(known.insert("a".into(), 2), Ok(vec![]));
    }

    // SSE-58
    #[test]
    fn age_counts_from_the_finish_and_spares_the_living() {
        let mut known = registry(9);
        let now = Instant::now();
        for (key, stream) in [("live", 1), ("early", 2), ("late", 3)] {
            known.insert(key.into(), stream).unwrap();
        }
        known.retire("early".into(), now, |_| true);
        known.retire("late".into(), now + AGE / 2, |_| true);
        assert_eq!(known.expire(now + AGE - Duration::from_nanos(1)).len(), 0);
        assert_eq!(known.expire(now + AGE), [2]);
        assert_eq!(known.expire(now + AGE * 100), [3]);
        assert_eq!(known.find("live"), Some(&1));
    }

    #[test]
    fn what_is_forgotten_before_its_time_does_not_take_a_later_one_with_it() {
        let mut known = registry(9);
        let now = Instant::now();
        known.insert("a".into(), 1).unwrap();
        known.retire("a".into(), now, |_| true);
        assert_eq!(known.remove("a", true), Some(1));
        known.insert("a".into(), 2).unwrap();
        known.retire("a".into(), now, |stream| *stream == 1);
        assert_eq!(known.expire(now + AGE).len(), 0);
        assert_eq!(known.remove_one(|stream| *stream == 2), Some(2));
    }

    // SSE-58
    #[test]
    fn a_full_registry_forgets_the_first_that_finished_or_refuses() {
        let mut known = registry(2);
        let now = Instant::now();
        known.insert("a".into(), 1).unwrap();
        known.insert("b".into(), 2).unwrap();
        assert_eq!(known.insert("c".into(), 3), Err(Refused::AllLive));
        known.retire("b".into(), now, |_| true);
        known.retire("a".into(), now, |_| true);
        assert_eq!(known.insert("c".into(), 3), Ok(vec![2]));
        assert_eq!(known.iter().count(), 2);
    }
}
