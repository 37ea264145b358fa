//! Bytes that only their place in the stream explains (pure).

use bytes::{Buf, Bytes};

/// What came before the chunk, as far as it changes how the chunk begins.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    /// Bytes of the byte order mark seen so far; all of them once it is settled.
    mark: usize,
    /// The last line ended in CR: an LF that comes next belongs to it.
    after_cr: bool,
}

impl Edge {
    #[inline]
    pub(crate) fn matters(&self) -> bool {
        self.mark < MARK.len() || self.after_cr
    }

    /// A chunk ended in CR.
    pub(crate) fn note_cr(&mut self) {
        self.after_cr = true;
    }

    /// Steps over the byte order mark at the start of the stream (SSE-3), and over the LF of a
    /// CRLF that was cut in two. It answers whether what it took for a mark was none, but the
    /// start of a line, and then of no known field.
    pub(crate) fn step_over(&mut self, chunk: &mut Bytes) -> bool {
        let mut line_begun = false;
        while self.mark < MARK.len()
            && let Some(&byte) = chunk.first()
        {
            if byte == MARK[self.mark] {
                self.mark += 1;
                chunk.advance(1);
            } else {
                line_begun = self.mark > 0;
                self.mark = MARK.len();
            }
        }
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            if chunk[0] == b'\n' {
                chunk.advance(1);
            }
        }
        line_begun
    }
}

/// U+FEFF in UTF-8.
pub(crate) const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
