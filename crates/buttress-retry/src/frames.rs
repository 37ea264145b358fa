//! What was read of a body, kept within a bound.

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

/// The frames of a body so far. The first one has a place of its own, as most bodies have no other.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    first: Bytes,
    more: Option<Box<More>>,
    charged: usize,
}

#[derive(Debug, Default)]
struct More {
    data: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

/// There is more of it than may be kept.
#[derive(Debug)]
pub(crate) struct TooLarge;

/// What a frame counts for at least, so that many small ones are bounded as well.
const LEAST: usize = 64;

impl Frames {
    /// Keeps a frame, unless it would be more than `limit` bytes in all.
    #[inline]
    pub(crate) fn keep(&mut self, frame: &Frame<Bytes>, limit: usize) -> Result<(), TooLarge> {
        if let Some(data) = frame.data_ref() {
            self.charge(data.len(), limit)?;
            if data.is_empty() {
                return Ok(());
            }
            if self.first.is_empty() { self.first = data.clone() } else { self.more().data.push(data.clone()) }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.charge(trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + LEAST).sum(), limit)?;
            self.more().trailers = Some(trailers.clone());
        }
        Ok(())
    }

    #[inline]
    fn charge(&mut self, bytes: usize, limit: usize) -> Result<(), TooLarge> {
        // The first frame may be as small as it likes: most bodies have no other.
        let counted = if self.charged == 0 && bytes > 0 { bytes } else { bytes.max(LEAST) };
        self.charged = self.charged.saturating_add(counted);
        if self.charged > limit { Err(TooLarge) } else { Ok(()) }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn data(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(self.more.iter().flat_map(|more| &more.data))
    }

    /// The data as one text.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.data().flat_map(|data| data.iter().copied()).collect()
    }

    /// The frame of this number, the trailers last.
    fn get(&self, number: usize) -> Option<Frame<Bytes>> {
        let Some(later) = number.checked_sub(usize::from(!self.first.is_empty())) else {
            return Some(Frame::data(self.first.clone()));
        };
        let More { data, trailers } = &**self.more.as_ref()?;
        match data.get(later) {
            Some(data) => Some(Frame::data(data.clone())),
            None => trailers.clone().filter(|_| later == data.len()).map(Frame::trailers),
        }
    }
}

/// How far the frames of a body were handed out once more.
#[derive(Debug)]
pub(crate) struct Replay {
    next: usize,
    left: usize,
    has_trailers: bool,
}

impl Replay {
    pub(crate) fn of(frames: &Frames) -> Self {
        let has_trailers = frames.more.as_ref().is_some_and(|more| more.trailers.is_some());
        Self { next: 0, left: frames.data().map(Bytes::len).sum(), has_trailers }
    }

    pub(crate) fn next(&mut self, frames: &Frames) -> Option<Frame<Bytes>> {
        let frame = frames.get(self.next)?;
        self.next += 1;
        match frame.data_ref() {
            Some(data) => self.left -= data.len(),
            None => self.has_trailers = false,
        }
        Some(frame)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left == 0 && !self.has_trailers
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(text: &'static str) -> Frame<Bytes> {
        Frame::data(text.into())
    }

    #[test]
    fn what_is_kept_comes_again_in_order_with_its_trailers_last() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", http::HeaderValue::from_static("1"));
        let mut frames = Frames::default();
        for frame in [data("abc"), data(""), data("de"), Frame::trailers(trailers)] {
            frames.keep(&frame, 1_000).unwrap();
        }
        assert_eq!(frames.text(), b"abcde");
        let mut replay = Replay::of(&frames);
        assert_eq!(replay.size_hint().exact(), Some(5));
        assert_eq!(replay.next(&frames).unwrap().into_data().unwrap(), "abc");
        assert_eq!((replay.size_hint().exact(), replay.is_over()), (Some(2), false));
        assert_eq!(replay.next(&frames).unwrap().into_data().unwrap(), "de");
        assert_eq!((replay.size_hint().exact(), replay.is_over()), (Some(0), false));
        assert_eq!(replay.next(&frames).unwrap().into_trailers().unwrap()["x-sum"], "1");
        assert!(replay.is_over() && replay.next(&frames).is_none());
    }

    // RTY-2
    #[test]
    fn the_bound_holds_for_large_frames_for_many_small_ones_and_for_trailers() {
        assert!(Frames::default().keep(&data("abcd"), 4).is_ok());
        assert!(Frames::default().keep(&data("abcde"), 4).is_err());
        let mut frames = Frames::default();
        let kept = (0..1_000).take_while(|_| frames.keep(&data("x"), 640).is_ok()).count();
        assert_eq!(kept, 10);
        let mut frames = Frames::default();
        assert_eq!((0..1_000).take_while(|_| frames.keep(&data(""), 640).is_ok()).count(), 10, "empty ones count too");
        let long = http::HeaderValue::from_str(&"x".repeat(641)).unwrap();
        let trailers = HeaderMap::from_iter([(http::header::WARNING, long)]);
        assert!(Frames::default().keep(&Frame::trailers(trailers), 640).is_err());
    }
}
