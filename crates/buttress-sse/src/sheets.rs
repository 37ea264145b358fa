//! Where a producer writes its events: many to one allocation.

use bytes::{Bytes, BytesMut};

use crate::encode::{Block, Measured};

/// Events that come after each other in a stream are written after each other in memory, too: on sheets that grow with
/// the stream up to [`LARGEST`]. A sheet is freed with the last of its events.
#[derive(Debug, Default)]
pub(crate) struct Sheets {
    sheet: BytesMut,
    /// Of the newest sheet.
    size: usize,
}

impl Sheets {
    /// The block, as [`Block::encode`] has it.
    #[inline]
    pub(crate) fn encode(&mut self, block: Block<'_>) -> Bytes {
        let block = Measured::new(block);
        if self.sheet.capacity() < block.len {
            self.turn_over(block.len);
        }
        self.sheet.resize(block.len, 0);
        block.write(&mut self.sheet);
        self.sheet.split().freeze()
    }

    #[cold]
    fn turn_over(&mut self, len: usize) {
        self.size = (2 * self.size).clamp(SMALLEST, LARGEST);
        // What is longer has a sheet of its own, with no room left.
        self.sheet = BytesMut::with_capacity(len.max(self.size));
    }
}

const SMALLEST: usize = 512;
const LARGEST: usize = 4096;
