//! Bytes as they came, without a copy where that would be a waste.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// Shorter chunks than this are put together: a thousand of one byte shall not take the place of a thousand buffers.
const SHORT: usize = 1_024;

/// The data of a body, in order.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    first: Bytes,
    // Few bodies have more than one.
    more: Option<Box<More>>,
    len: usize,
}

#[derive(Debug, Default)]
struct More {
    rest: VecDeque<Bytes>,
    tail: BytesMut,
}

impl Chunks {
    pub(crate) fn push(&mut self, chunk: Bytes) {
        let len = chunk.len();
        if len == 0 {
            return;
        }
        if self.len == 0 {
            self.first = chunk;
        } else {
            self.more.get_or_insert_default().push(chunk);
        }
        self.len += len;
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let first = Some(&self.first[..]).filter(|first| !first.is_empty());
        first.into_iter().chain(self.more.iter().flat_map(|more| more.iter()))
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let chunk = if self.first.is_empty() { self.more.as_mut()?.pop()? } else { std::mem::take(&mut self.first) };
        self.len -= chunk.len();
        Some(chunk)
    }
}

impl More {
    fn push(&mut self, chunk: Bytes) {
        if chunk.len() < SHORT {
            self.tail.put(chunk);
        } else {
            if !self.tail.is_empty() {
                self.rest.push_back(self.tail.split().freeze());
            }
            self.rest.push_back(chunk);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let tail = Some(&self.tail[..]).filter(|tail| !tail.is_empty());
        self.rest.iter().map(|chunk| &chunk[..]).chain(tail)
    }

    fn pop(&mut self) -> Option<Bytes> {
        self.rest.pop_front().or_else(|| Some(self.tail.split().freeze()).filter(|tail| !tail.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out_in_order(sizes in prop::collection::vec(prop_oneof![0..20_usize, 900..1_200_usize], 0..12)) {
            let mut counter = 0_u8;
            let all: Vec<Vec<u8>> = sizes.iter().map(|size| (0..*size).map(|_| { counter = counter.wrapping_add(1); counter }).collect()).collect();
            let mut chunks = Chunks::default();
            all.iter().for_each(|chunk| chunks.push(Bytes::copy_from_slice(chunk)));
            let whole = all.concat();
            prop_assert_eq!(chunks.len(), whole.len());
            prop_assert_eq!(chunks.iter().collect::<Vec<_>>().concat(), &whole[..]);
            let mut popped = Vec::new();
            while let Some(chunk) = chunks.pop() {
                popped.extend_from_slice(&chunk);
            }
            prop_assert_eq!(popped, whole);
            prop_assert_eq!(chunks.len(), 0);
        }
    }

    #[test]
    fn many_short_chunks_are_few_buffers() {
        let mut chunks = Chunks::default();
        (0..10_000).for_each(|_| chunks.push(Bytes::from_static(b"x")));
        assert!(chunks.more.as_ref().unwrap().rest.is_empty());
        assert_eq!(chunks.iter().count(), 2);
    }
}
