//! The byte order mark of a stream that somebody has written before (pure).

use bytes::{Buf, Bytes};

use crate::{border::common, edge::MARK};

/// Keeps the mark back, which would be none any more and spoil the first line (SSE-3).
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Lead {
    /// The mark, if there is one, is the first to be sent or has been settled.
    #[default]
    Passes,
    /// So many of its bytes were kept back.
    Watched { kept: usize },
}

impl Lead {
    /// Something goes out before the first byte of the stream.
    pub(super) fn watch() -> Self {
        Self::Watched { kept: 0 }
    }

    #[inline]
    pub(super) fn passes(self) -> bool {
        matches!(self, Self::Passes)
    }

    /// The bytes without the mark, or with what was kept of one that was none.
    pub(super) fn strip(&mut self, mut bytes: Bytes) -> Bytes {
        let Self::Watched { kept } = *self else {
            return bytes;
        };
        let missing = &MARK[kept..];
        let more = common(missing, &bytes);
        if more < missing.len() && more == bytes.len() {
            *self = Self::Watched { kept: kept + more };
            return Bytes::new();
        }
        *self = Self::Passes;
        if more == missing.len() {
            bytes.advance(more);
            return bytes;
        }
        if kept == 0 { bytes } else { [&MARK[..kept], &bytes].concat().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SSE-3
    #[test]
    fn a_mark_is_kept_back_and_nothing_else_however_it_is_cut() {
        let table: [(&[u8], &[u8]); 6] = [
            (b"\xEF\xBB\xBFdata", b"data"),
            (b"\xEF\xBB\xBF\xEF\xBB\xBFx", b"\xEF\xBB\xBFx"),
            (b"data", b"data"),
            (b"\xEF\xBBdata", b"\xEF\xBBdata"),
            (b"\xEF\xEF\xBB\xBFdata", b"\xEF\xEF\xBB\xBFdata"),
            (b"x\xEF\xBB\xBF", b"x\xEF\xBB\xBF"),
        ];
        for (stream, expected) in table {
            for size in 1..=stream.len() {
                let mut lead = Lead::watch();
                let sent: Vec<_> = stream.chunks(size).map(|piece| lead.strip(Bytes::copy_from_slice(piece))).collect();
                assert_eq!(sent.concat(), expected, "{stream:?} in pieces of {size}");
            }
        }
    }
}
