use bytes::Bytes;

use crate::{BoxError, RecordKey};

/// Encrypts what is recorded, so that a store holds nothing that its readers may not see.
///
/// One that panics has failed, as below.
///
/// Bind the text to its key, as associated data for instance, so that records cannot be swapped within the store.
///
/// # Examples
///
/// ```
/// use buttress_idempotency::{BoxError, RecordKey, Seal};
/// use bytes::Bytes;
///
/// /// Not a cipher: it shows where one belongs.
/// struct Mask(u8);
///
/// impl Seal for Mask {
///     fn seal(&self, _: &RecordKey, plain: Vec<u8>) -> Result<Bytes, BoxError> {
///         Ok(plain.into_iter().map(|byte| byte ^ self.0).collect())
///     }
///
///     fn open(&self, _: &RecordKey, sealed: Bytes) -> Result<Bytes, BoxError> {
///         Ok(sealed.into_iter().map(|byte| byte ^ self.0).collect())
///     }
/// }
/// ```
pub trait Seal: Send + Sync + 'static {
    /// Seals an answer.
    ///
    /// # Errors
    ///
    /// The answer then goes to its caller and is recorded as one that cannot be replayed.
    fn seal(&self, key: &RecordKey, plain: Vec<u8>) -> Result<Bytes, BoxError>;

    /// Opens what was sealed.
    ///
    /// # Errors
    ///
    /// The caller is then told that the answer cannot be replayed; nothing runs again.
    fn open(&self, key: &RecordKey, sealed: Bytes) -> Result<Bytes, BoxError>;
}
