//! What bytes are, by their first few.

use std::str;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sniffed {
    /// The provider's type of file.
    pub(crate) kind: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) suffix: &'static str,
}

pub(crate) fn sniff(bytes: &[u8]) -> Sniffed {
    let at = |from: usize, magic: &[u8]| bytes.get(from..).is_some_and(|it| it.starts_with(magic));
    let (kind, media_type, suffix) = if at(0, b"\x89PNG\r\n\x1a\n") {
        ("image", "image/png", "png")
    } else if at(0, b"\xff\xd8\xff") {
        ("image", "image/jpeg", "jpg")
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        ("image", "image/webp", "webp")
    } else if at(0, b"GIF8") {
        ("image", "image/gif", "gif")
    } else if at(4, b"ftyp") {
        ("video", "video/mp4", "mp4")
    } else if at(0, b"\x1a\x45\xdf\xa3") {
        ("video", "video/webm", "webm")
    } else if at(0, b"RIFF") && at(8, b"WAVE") {
        ("audio", "audio/wav", "wav")
    } else if at(0, b"OggS") {
        ("audio", "audio/ogg", "ogg")
    } else if at(0, b"ID3") || at(0, b"\xff\xfb") || at(0, b"\xff\xf3") {
        ("audio", "audio/mpeg", "mp3")
    } else if !bytes.is_empty() && str::from_utf8(bytes).is_ok() {
        ("text", "text/plain; charset=utf-8", "txt")
    } else {
        ("other", "application/octet-stream", "bin")
    };
    Sniffed { kind, media_type, suffix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_tell_their_type() {
        let kind = |bytes: &[u8]| sniff(bytes).media_type;
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n...."), "image/png");
        assert_eq!(kind(b"\xff\xd8\xff\xe0"), "image/jpeg");
        assert_eq!(kind(b"RIFF....WEBPVP8L"), "image/webp");
        assert_eq!(kind(b"RIFF....WAVEfmt "), "audio/wav");
        assert_eq!(kind(include_bytes!("../assets/clip.mp4")), "video/mp4");
        assert_eq!(kind(include_bytes!("../assets/tone.mp3")), "audio/mpeg");
        assert_eq!(kind("grüß dich".as_bytes()), "text/plain; charset=utf-8");
        assert_eq!(kind(b"\xc3\x28"), "application/octet-stream");
        assert_eq!(kind(b""), "application/octet-stream");
    }
}
