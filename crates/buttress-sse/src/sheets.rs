//! Where a producer writes its events: many to one allocation.

use bytes::{Bytes, BytesMut};

use crate::encode::{Block, Measured};

/// Events that come after each other in a stream are written after each other in memory, too: on sheets that grow with
/// the stream up to [`LARGEST`]. A sheet is freed with the last of its events.
#[derive(Debug, Default)]
pub(crate) struct Sheets {
    /// Zeros that are yet to be written over, and behind them what the sheet has room for.
    sheet: BytesMut,
    /// Of the newest sheet.
    size: usize,
}

impl Sheets {
    /// The block, as [`Block::encode`] has it.
    #[inline]
    pub(crate) fn encode(&mut self, block: Block<'_>) -> Bytes {
        let block = Measured::new(block);
        if self.sheet.len() < block.len {
            self.make_room(block.len);
        }
        let mut place = self.sheet.split_to(block.len);
        block.write(&mut place);
        place.freeze()
    }

    /// Zeros for this many bytes and for some that may follow, but not at once for all that fit on the sheet.
    #[cold]
    fn make_room(&mut self, len: usize) {
        if self.sheet.capacity() < len {
            self.size = (2 * self.size).clamp(SMALLEST, LARGEST);
            // What is longer has a sheet of its own, with no room left.
            self.sheet = BytesMut::with_capacity(len.max(self.size));
        }
        self.sheet.resize(len.max(STEP).min(self.sheet.capacity()), 0);
    }
}

const SMALLEST: usize = 512;
const LARGEST: usize = 4096;
const STEP: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_any_length_stay_as_they_were_written() {
        let mut sheets = Sheets::default();
        let texts: Vec<_> = (0..200).map(|turn| vec![b'a' + turn as u8 % 26; turn * turn * 13 % 5_000]).collect();
        let block = |text| Block { data: Some(text), ..Block::default() };
        let written: Vec<_> = texts.iter().map(|text| sheets.encode(block(text))).collect();
        for (text, event) in texts.iter().zip(written) {
            assert!(event == block(text).encode(), "{} bytes", text.len());
        }
    }

    #[test]
    fn short_events_share_a_sheet() {
        let mut sheets = Sheets::default();
        let block = Block { data: Some(b"x"), ..Block::default() };
        let events: Vec<_> = (0..2_000).map(|_| sheets.encode(block)).collect();
        let apart = events.windows(2).filter(|pair| pair[0].as_ptr_range().end != pair[1].as_ptr());
        assert!(apart.count() < 2_000 * events[0].len() / LARGEST + 5);
    }
}
