use std::{borrow::Cow, error::Error};

use bytes::Bytes;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use serde::Serialize;

use crate::FileId;

/// The bytes of an upload, as they arrive.
pub type UploadBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A file on its way to the provider. Its bytes are streamed: they are never held whole.
#[derive(Debug)]
#[non_exhaustive]
pub struct Upload {
    /// What the bytes are, `image/png` for instance.
    pub media_type: Cow<'static, str>,
    /// The bytes. An error in them ends the upload, and nothing is stored.
    pub body: UploadBody,
}

impl Upload {
    /// A file of the given media type.
    #[must_use]
    pub fn new<B>(media_type: impl Into<Cow<'static, str>>, body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Self { media_type: media_type.into(), body: body.map_err(Into::into).boxed_unsync() }
    }
}

/// A file that the provider holds and that requests can refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UploadedFile {
    /// What requests refer to it by.
    pub file_id: FileId,
    /// Where its bytes are, where the provider tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the bytes are.
    pub media_type: Cow<'static, str>,
}

impl UploadedFile {
    /// A file under the provider's id.
    #[must_use]
    pub fn new(file_id: FileId, url: Option<String>, media_type: impl Into<Cow<'static, str>>) -> Self {
        Self { file_id, url, media_type: media_type.into() }
    }
}
