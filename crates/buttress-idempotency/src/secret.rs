//! Keyed hashes: what a stranger cannot find a second text for.

use std::{error::Error, fmt, str::FromStr};

use blake3::Hasher;

use crate::{Fingerprint, Scope};

/// What the hashes of keys and requests are keyed with: 32 bytes that callers do not know.
///
/// All servers that share a store need the same one, else they do not find each other's records. Its bytes are never shown.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A secret that is shared by all who share a store.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A secret that ends with this process: for stores that do so, too.
    ///
    /// # Panics
    ///
    /// When the operating system has no random numbers.
    #[cfg(feature = "random")]
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system has random numbers");
        Self(bytes)
    }

    /// The hash of a text whose first byte is its purpose.
    pub(crate) fn hash(&self, text: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0, text).as_bytes()
    }

    /// A hash that is about to be fed with such a text.
    pub(crate) fn empty_hasher(&self) -> Hasher {
        Hasher::new_keyed(&self.0)
    }

    /// A hash that is about to be fed. Each use has a purpose of its own, so that no hash can pass for another.
    pub(crate) fn hasher(&self, purpose: Purpose) -> Hasher {
        let mut hasher = Hasher::new_keyed(&self.0);
        hasher.update(&[purpose as u8]);
        hasher
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a hash is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    SentKey = 1,
    MadeKey = 2,
    Request = 3,
    Job = 4,
}

/// Where the record of an operation lies in a store: a keyed hash of caller, operation and key (IDM-8, IDM-24).
///
/// It tells nothing of them, so it can be shown: answers refer to an operation by it, and logs do. As text it has 64
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey([u8; 32]);

impl RecordKey {
    /// A key by its bytes, as a store kept them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of a key that the caller sent.
    pub(crate) fn sent(secret: &Secret, scope: &Scope<'_>, key: &[u8]) -> Self {
        Self::join(secret, Purpose::SentKey, scope, key)
    }

    /// Of a job that the caller gives no key. Once it is known what it asks for, that is [its key](Self::asking).
    pub(crate) fn unsent(secret: &Secret, scope: &Scope<'_>) -> Self {
        Self::join(secret, Purpose::MadeKey, scope, b"")
    }

    pub(crate) fn asking(&self, secret: &Secret, request: &Fingerprint) -> Self {
        let mut hasher = secret.hasher(Purpose::Job);
        hasher.update(&self.0).update(request.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// Each part is led by its length: no two triples are the same text.
    fn join(secret: &Secret, purpose: Purpose, scope: &Scope<'_>, key: &[u8]) -> Self {
        let parts = [scope.caller().as_bytes(), scope.operation().as_bytes(), key];
        let mut text = [0; 192];
        let length = parts.iter().map(|part| part.len() + 2).sum::<usize>() + 1;
        if length <= text.len() && parts.iter().all(|part| part.len() <= usize::from(u8::MAX)) {
            // At once, as one text, costs a third of what it costs in parts.
            text[0] = purpose as u8;
            let mut at = 1;
            for part in parts {
                text[at..at + 2].copy_from_slice(&(part.len() as u16).to_be_bytes());
                text[at + 2..at + 2 + part.len()].copy_from_slice(part);
                at += 2 + part.len();
            }
            return Self(secret.hash(&text[..at]));
        }
        let mut hasher = secret.hasher(purpose);
        // Longer parts than the short form has: their lengths cannot be mistaken for its own.
        hasher.update(&[u8::MAX, u8::MAX]);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey({self})")
    }
}

/// # Errors
///
/// When the text is not 64 hexadecimal digits.
impl FromStr for RecordKey {
    type Err = InvalidRecordKey;

    fn from_str(text: &str) -> Result<Self, InvalidRecordKey> {
        let hash = blake3::Hash::from_hex(text).map_err(|_| InvalidRecordKey(()))?;
        Ok(Self(*hash.as_bytes()))
    }
}

/// A text that is no [`RecordKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRecordKey(());

impl fmt::Display for InvalidRecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of a record has 64 hexadecimal digits")
    }
}

impl Error for InvalidRecordKey {}
