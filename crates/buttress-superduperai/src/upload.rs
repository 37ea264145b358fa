//! Handing a file over.

use buttress_core::FieldProblem;
use buttress_provider::{FileId, ProviderError, ProviderErrorKind, Upload, UploadedFile};
use http::HeaderValue;
use tokio::time::sleep_until;

use crate::{
    BoxError, HttpService, Operation, RequestBody, SuperDuperAi,
    answer::{Cause, NoAnswer},
    call::Call,
    error::{Asked, expect, not_understood},
    file::is_absolute,
    multipart::{Course, Multipart},
    settings::after,
    wire::FileRead,
};

impl<S: HttpService> SuperDuperAi<S> {
    pub(crate) async fn send_file(&self, upload: Upload) -> Result<UploadedFile, ProviderError> {
        let media_type = essence(&upload.media_type).ok_or_else(no_media_type)?.to_owned();
        let course = Course::default();
        let boundary = format!("buttress-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let (head, tail) = around(&media_type, &boundary);
        let body = Multipart::new(head, upload.body, tail, self.settings.upload_idle, course.clone());
        // The type belongs in the query: as a form field it would be ignored.
        let path = format!("/api/v1/file/upload?type={}", file_type(&media_type)).into();
        let call = Call::post(Operation::Upload, path, form(&boundary), RequestBody::stream(body));

        let late = async {
            course.ended().await;
            sleep_until(after(self.settings.attempt)).await;
        };
        let outcome = tokio::select! {
            biased;
            outcome = self.api.call(call, after(self.settings.upload_total)) => outcome,
            () = late => Err(NoAnswer { cause: Cause::TimedOut, left: true }),
        };
        if let Some(error) = course.take_fault() {
            return Err(broke_off(error));
        }
        let file: FileRead = expect(outcome, Asked::Upload)?;
        let id: FileId = file.id.parse().map_err(not_understood)?;
        Ok(UploadedFile::new(id, file.url.filter(|url| is_absolute(url)), media_type))
    }
}

/// What stands before and after the file. The one part is called `payload`.
fn around(media_type: &str, boundary: &str) -> (String, String) {
    let name = ending(media_type);
    let head = format!(
        "--{boundary}\r\n\
         Content-Disposition: form-data; name=\"payload\"; filename=\"upload.{name}\"\r\n\
         Content-Type: {media_type}\r\n\r\n"
    );
    (head, format!("\r\n--{boundary}--\r\n"))
}

fn form(boundary: &str) -> HeaderValue {
    let value = format!("multipart/form-data; boundary={boundary}");
    HeaderValue::try_from(value).expect("the boundary is of letters and digits")
}

/// Type and subtype, without parameters.
fn essence(media_type: &str) -> Option<&str> {
    let essence = media_type.split(';').next()?.trim();
    let (kind, subtype) = essence.split_once('/')?;
    let is_token = |part: &str| {
        (1..=127).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    (is_token(kind) && is_token(subtype)).then_some(essence)
}

fn file_type(media_type: &str) -> &'static str {
    match media_type.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        Some("audio") => "audio",
        Some("text") => "text",
        _ => "other",
    }
}

fn ending(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/avif" => "avif",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "video/quicktime" => "mov",
        "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/ogg" => "ogg",
        "audio/mp4" => "m4a",
        _ => "bin",
    }
}

fn no_media_type() -> ProviderError {
    ProviderError::invalid(vec![FieldProblem::new("file", "has no media type")])
}

fn broke_off(error: BoxError) -> ProviderError {
    ProviderError::new(ProviderErrorKind::Invalid, "the file did not arrive whole")
        .with_fields(vec![FieldProblem::new("file", "broke off before its end")])
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_cannot_open_a_header() {
        assert_eq!(essence("image/png; charset=x"), Some("image/png"));
        for bad in ["", "image", "image/", "/png", "image/png\r\nx: y", "im age/png", "image/\"x\"", "a/b/c"] {
            assert_eq!(essence(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_part_is_called_payload_and_says_what_it_is() {
        let (head, tail) = around("image/jpeg", "b");
        let disposition = "Content-Disposition: form-data; name=\"payload\"; filename=\"upload.jpg\"";
        assert_eq!(head, format!("--b\r\n{disposition}\r\nContent-Type: image/jpeg\r\n\r\n"));
        assert_eq!(tail, "\r\n--b--\r\n");
    }

    #[test]
    fn types_and_endings_follow_the_media_type() {
        let table = [
            ("image/png", "image", "png"),
            ("video/mp4", "video", "mp4"),
            ("audio/mpeg", "audio", "mp3"),
            ("application/zip", "other", "bin"),
        ];
        for (media_type, kind, end) in table {
            assert_eq!((file_type(media_type), ending(media_type)), (kind, end));
        }
    }
}
