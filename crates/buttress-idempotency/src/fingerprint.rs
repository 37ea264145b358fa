//! What tells one request from another.

use blake3::Hasher;
use http::{Uri, header::CONTENT_TYPE, request::Parts};

use crate::{Secret, canonical::Canonical, chunks::Chunks, secret::Purpose};

/// A keyed hash of method, path, query, type of content and body: equal for equal requests alone (IDM-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// A fingerprint by its bytes, as a store kept them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `uri` is the one that the caller asked for, whatever was cut off on the way.
    pub(crate) fn of(secret: &Secret, canonical: Canonical, parts: &Parts, uri: &Uri, body: &Chunks) -> Self {
        // Requests have few fields: to look at them costs no more than to hash a name.
        let content_type = parts.headers.iter().find(|(name, _)| **name == CONTENT_TYPE);
        let content_type = content_type.map_or(&[][..], |(_, value)| value.as_bytes());
        let (path, query) = (uri.path().as_bytes(), uri.query());
        let heads = [parts.method.as_str().as_bytes(), path, query.unwrap_or_default().as_bytes(), content_type];
        let rewritten = canonical.rewritten(content_type, body);
        // `/a` and `/a?` are two texts, and so are a body and one that was rewritten to it.
        let form = u8::from(query.is_some()) + 2 * u8::from(rewritten.is_some());
        // All lengths come first: no two requests are the same text.
        let mut text = Text::of(secret, form, heads.map(|head| head.len() as u32));
        heads.iter().filter(|head| !head.is_empty()).for_each(|head| text.add(head));
        match rewritten {
            Some(rewritten) => text.add(&rewritten),
            None if body.len() == 0 => {}
            None => body.iter().for_each(|chunk| text.add(chunk)),
        }
        Self(text.hash())
    }
}

/// What is hashed. A short text is hashed at once, which costs a third of what its parts would.
struct Text<'a> {
    secret: &'a Secret,
    short: [u8; SHORT],
    len: usize,
    long: Option<Box<Hasher>>,
}

const SHORT: usize = 256;

/// Where the parts begin: behind purpose, form, and lengths.
const START: usize = 18;

impl<'a> Text<'a> {
    #[inline]
    fn of(secret: &'a Secret, form: u8, lengths: [u32; 4]) -> Self {
        let mut short = [0; SHORT];
        short[..2].copy_from_slice(&[Purpose::Request as u8, form]);
        short[2..START].copy_from_slice(lengths.map(u32::to_be_bytes).as_flattened());
        Self { secret, short, len: START, long: None }
    }

    #[inline]
    fn add(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        match &mut self.long {
            None if end <= SHORT => {
                self.short[self.len..end].copy_from_slice(part);
                self.len = end;
            }
            None => {
                let mut hasher = self.secret.empty_hasher();
                hasher.update(&self.short[..self.len]).update(part);
                self.long = Some(Box::new(hasher));
            }
            Some(hasher) => _ = hasher.update(part),
        }
    }

    fn hash(&self) -> [u8; 32] {
        match &self.long {
            None => self.secret.hash(&self.short[..self.len]),
            Some(hasher) => *hasher.finalize().as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_hash_however_it_comes() {
        let secret = Secret::new([3; 32]);
        for len in [0, 1, SHORT - START - 1, SHORT - START, SHORT - START + 1, SHORT, 3 * SHORT] {
            let whole: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let hashes = [1, 7, SHORT, 4 * SHORT].map(|size| {
                let mut text = Text::of(&secret, 0, [0; 4]);
                whole.chunks(size).for_each(|part| text.add(part));
                text.hash()
            });
            assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{len}");
        }
    }
}
