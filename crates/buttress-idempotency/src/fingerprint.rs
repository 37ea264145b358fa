//! What tells one request from another.

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
        let mut hasher = secret.hasher(Purpose::Request);
        let content_type = parts.headers.get(CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
        let query = uri.query();
        let heads = [
            parts.method.as_str().as_bytes(),
            uri.path().as_bytes(),
            query.unwrap_or_default().as_bytes(),
            content_type,
        ];
        // `/a` and `/a?` are two texts.
        hasher.update(&[u8::from(query.is_some())]);
        for head in heads {
            hasher.update(&(head.len() as u32).to_be_bytes()).update(head);
        }
        match canonical.rewritten(content_type, body) {
            Some(text) => _ = hasher.update(b"j").update(&text),
            None => {
                hasher.update(b"r");
                body.iter().for_each(|chunk| _ = hasher.update(chunk));
            }
        }
        Self(*hasher.finalize().as_bytes())
    }
}
