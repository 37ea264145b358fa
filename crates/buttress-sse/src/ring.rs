//! The newest events of one stream, numbered without gaps (pure).

use std::collections::VecDeque;

use bytes::Bytes;

/// Events by offset, from 1; the oldest leave when there are too many or too large ones.
#[derive(Debug)]
pub(crate) struct Ring {
    frames: VecDeque<Bytes>,
    /// Offset of the oldest event held.
    first: u64,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

/// What there is at an offset.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Slot<'a> {
    Evicted,
    Held(&'a Bytes),
    /// Not there yet.
    Ahead,
}

impl Ring {
    pub(crate) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), first: 1, bytes: 0, max_events, max_bytes }
    }

    /// Adds the event after the last one. The newest is held whatever its size.
    #[inline]
    pub(crate) fn push(&mut self, frame: Bytes) {
        self.bytes = self.bytes.saturating_add(frame.len());
        self.frames.push_back(frame);
        while self.frames.len() > 1 && (self.frames.len() > self.max_events || self.bytes > self.max_bytes) {
            self.bytes -= self.frames.pop_front().map_or(0, |frame| frame.len());
            self.first += 1;
        }
    }

    pub(crate) fn at(&self, offset: u64) -> Slot<'_> {
        let Some(index) = offset.checked_sub(self.first) else {
            return Slot::Evicted;
        };
        usize::try_from(index).ok().and_then(|index| self.frames.get(index)).map_or(Slot::Ahead, Slot::Held)
    }

    /// Offset of the oldest event held, or of the next one if none is.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Offset of the newest event; 0 before the first.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.frames.len() as u64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize) -> Bytes {
        vec![b'x'; len].into()
    }

    fn held(ring: &Ring) -> Vec<u64> {
        (0..=ring.last() + 1).filter(|&offset| matches!(ring.at(offset), Slot::Held(_))).collect()
    }

    #[test]
    fn an_empty_ring_expects_the_first_event() {
        let ring = Ring::new(2, 100);
        assert_eq!((ring.first(), ring.last()), (1, 0));
        assert_eq!(ring.at(0), Slot::Evicted);
        assert_eq!(ring.at(1), Slot::Ahead);
    }

    // SSE-58
    #[test]
    fn too_many_events_push_out_the_oldest() {
        let mut ring = Ring::new(3, 100);
        (0..5).for_each(|_| ring.push(frame(1)));
        assert_eq!(held(&ring), [3, 4, 5]);
        assert_eq!(ring.at(2), Slot::Evicted);
        assert_eq!(ring.at(6), Slot::Ahead);
    }

    // SSE-58
    #[test]
    fn too_many_bytes_push_out_the_oldest() {
        let mut ring = Ring::new(100, 10);
        [5, 5].into_iter().for_each(|len| ring.push(frame(len)));
        assert_eq!(held(&ring), [1, 2]);
        ring.push(frame(1));
        assert_eq!(held(&ring), [2, 3]);
        ring.push(frame(10));
        assert_eq!(held(&ring), [4]);
    }

    #[test]
    fn the_newest_event_is_held_whatever_its_size() {
        let mut ring = Ring::new(100, 10);
        ring.push(frame(1));
        ring.push(frame(11));
        assert_eq!(held(&ring), [2]);
        ring.push(frame(1));
        assert_eq!(held(&ring), [3]);
    }
}
