//! What the media urls of files lead to.

use std::{
    collections::{HashMap, VecDeque},
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::{OnceCell, Semaphore};

use crate::{picture::Picture, stamp, store::Output, wire::FileRead};

/// Bytes of encoded pictures that are kept; more forgets the oldest, which is drawn again if asked for.
const CACHE_BYTES: usize = 64 << 20;
/// Bytes of uploads that are kept; more forgets the oldest, whose url then answers 404.
const UPLOAD_BYTES: usize = 256 << 20;
/// Pictures drawn at the same time.
const DRAWERS: usize = 2;

static CLIP: &[u8] = include_bytes!("../assets/clip.mp4");
static TONE: &[u8] = include_bytes!("../assets/tone.mp3");

#[derive(Debug)]
pub(crate) struct Library {
    base: String,
    shelves: Mutex<Shelves>,
    drawers: Semaphore,
}

#[derive(Debug, Default)]
struct Shelves {
    sources: HashMap<String, Source>,
    drawn: Ring,
    uploads: Ring,
}

#[derive(Clone, Debug)]
enum Source {
    Drawn(Picture, Arc<OnceCell<Bytes>>),
    Kept(&'static str, Bytes),
}

/// Paths in order of age, with the bytes they hold.
#[derive(Debug, Default)]
struct Ring {
    order: VecDeque<(String, usize)>,
    bytes: usize,
}

impl Library {
    pub(crate) fn new(base: String) -> Self {
        Self { base, shelves: Mutex::default(), drawers: Semaphore::new(DRAWERS) }
    }

    /// Gives a finished file its urls.
    pub(crate) fn furnish(&self, file: &mut FileRead, output: Output) {
        match output {
            Output::Picture(picture) => {
                file.url = Some(self.draw("generated/image", picture));
                file.thumbnail_url = Some(self.draw("uploaded/image", picture.thumbnail()));
            }
            Output::Video { thumbnail, seconds } => {
                let clip = Source::Kept("video/mp4", Bytes::from_static(CLIP));
                file.url = Some(self.shelve("generated/video", "mp4", clip));
                file.thumbnail_url = Some(self.draw("uploaded/image", thumbnail));
                file.duration = Some(seconds);
            }
            Output::Audio { seconds } => {
                let tone = Source::Kept("audio/mpeg", Bytes::from_static(TONE));
                file.url = Some(self.shelve("generated/audio", "mp3", tone));
                file.duration = Some(seconds);
            }
        }
    }

    /// Keeps uploaded bytes under a url of their own.
    pub(crate) fn keep(&self, kind: &str, suffix: &str, media_type: &'static str, bytes: Bytes) -> String {
        let len = bytes.len();
        let url = self.shelve(&format!("uploaded/{kind}"), suffix, Source::Kept(media_type, bytes));
        let path = self.path_of(&url).to_owned();
        let mut shelves = self.lock();
        for path in shelves.uploads.push(path, len, UPLOAD_BYTES) {
            shelves.sources.remove(&path);
        }
        url
    }

    /// Shelves a picture that is drawn when somebody asks for it.
    pub(crate) fn draw(&self, folder: &str, picture: Picture) -> String {
        let source = Source::Drawn(picture, Arc::default());
        self.shelve(folder, "webp", source)
    }

    /// Media type and bytes of a path.
    pub(crate) async fn read(&self, path: &str) -> Option<(&'static str, Bytes)> {
        let source = self.lock().sources.get(path).cloned()?;
        match source {
            Source::Kept(media_type, bytes) => Some((media_type, bytes)),
            Source::Drawn(picture, cell) => {
                let bytes = cell.get_or_init(|| self.drawn(path, picture)).await;
                Some(("image/webp", bytes.clone()))
            }
        }
    }

    /// Forgets what a file's urls lead to.
    pub(crate) fn forget(&self, file: &FileRead) {
        let mut shelves = self.lock();
        for url in [&file.url, &file.thumbnail_url].into_iter().flatten() {
            let path = self.path_of(url);
            shelves.sources.remove(path);
            shelves.drawn.remove(path);
            shelves.uploads.remove(path);
        }
    }

    async fn drawn(&self, path: &str, picture: Picture) -> Bytes {
        let _permit = self.drawers.acquire().await;
        let bytes = tokio::task::spawn_blocking(move || picture.webp())
            .await
            .expect("a picture of a checked size can be drawn");
        let mut shelves = self.lock();
        for path in shelves.drawn.push(path.to_owned(), bytes.len(), CACHE_BYTES) {
            if let Some(Source::Drawn(_, cell)) = shelves.sources.get_mut(&path) {
                *cell = Arc::default();
            }
        }
        bytes
    }

    fn shelve(&self, folder: &str, suffix: &str, source: Source) -> String {
        let name: String = iter::repeat_with(fastrand::alphanumeric).take(22).collect();
        let path = format!("/{folder}/{}/{name}.{suffix}", stamp::folder());
        let url = format!("{}{path}", self.base);
        self.lock().sources.insert(path, source);
        url
    }

    fn path_of<'a>(&self, url: &'a str) -> &'a str {
        url.strip_prefix(&self.base).unwrap_or(url)
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Adds a path; hands back those that must go to stay within `limit`, never the new one.
    fn push(&mut self, path: String, len: usize, limit: usize) -> Vec<String> {
        self.bytes += len;
        self.order.push_back((path, len));
        let mut gone = Vec::new();
        while self.bytes > limit && self.order.len() > 1 {
            if let Some((path, len)) = self.order.pop_front() {
                self.bytes -= len;
                gone.push(path);
            }
        }
        gone
    }

    fn remove(&mut self, path: &str) {
        let found = self.order.iter().position(|(one, _)| one == path);
        if let Some((_, len)) = found.and_then(|index| self.order.remove(index)) {
            self.bytes -= len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_bytes_run_out() {
        let mut ring = Ring::default();
        assert!(ring.push("a".to_owned(), 4, 10).is_empty());
        assert!(ring.push("b".to_owned(), 4, 10).is_empty());
        assert_eq!(ring.push("c".to_owned(), 4, 10), ["a"]);
        ring.remove("b");
        assert!(ring.push("d".to_owned(), 6, 10).is_empty());
        assert_eq!(ring.push("e".to_owned(), 99, 10).len(), 2);
        assert_eq!(ring.bytes, 99);
    }

    #[tokio::test]
    async fn a_picture_is_drawn_once_and_gone_with_its_file() {
        let library = Library::new("http://here".to_owned());
        let picture = Picture { width: 16, height: 16, look: 1 };
        let mut file = FileRead::blank(uuid::Uuid::new_v4(), "image");
        library.furnish(&mut file, Output::Picture(picture));
        let path = file.url.clone().unwrap().replace("http://here", "");
        let (first, again) = (library.read(&path).await, library.read(&path).await);
        let (first, again) = (first.unwrap().1, again.unwrap().1);
        assert_eq!(first.as_ptr(), again.as_ptr());
        library.forget(&file);
        assert!(library.read(&path).await.is_none());
        assert_eq!(library.lock().drawn.bytes, 0);
    }
}
