use std::{
    error::Error,
    mem,
    sync::{Arc, OnceLock},
    task::{Poll, ready},
};

use buttress_core::{FieldProblem, Problem};
use buttress_provider::Upload;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, header};
use http_body::Frame;
use http_body_util::StreamBody;
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::codes;

/// The largest file that is taken, in bytes.
pub const UPLOAD_LIMIT: usize = 50_000_000;

/// Room for the borders and headers of the multipart form around the file.
const OVERHEAD: usize = 64 * 1024;

/// How many bytes show what a file is.
const SAMPLE: usize = 64;

/// What is taken, by content.
pub(crate) const MEDIA_TYPES: [&str; 7] =
    ["image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4", "video/webm", "video/quicktime"];

/// Finds the part `file` of a multipart form and prepares it for the provider, unread but for its first bytes.
///
/// The second value holds, once the upload has failed, why reading the form failed, if that was the cause.
///
/// # Errors
///
/// 415 when the body is no multipart form, or the file neither a picture nor a video; 413 when it is announced as too
/// long; 400 when the form is broken; 422 when the first part is not `file`.
pub(crate) async fn open<S, E>(headers: &HeaderMap, body: S) -> Result<(Upload, Arc<OnceLock<Problem>>), Problem>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    refuse_announced(headers)?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_| codes::unsupported_media_type("the body is to be multipart/form-data with a boundary"))?;
    let limit = SizeLimit::new().whole_stream((UPLOAD_LIMIT + OVERHEAD) as u64).for_field("file", UPLOAD_LIMIT as u64);
    let mut form = Multipart::with_constraints(one_by_one(body), boundary, Constraints::new().size_limit(limit));
    let field = form.next_field().await.map_err(|error| explain(&error))?;
    let missing = || codes::validation_failed(&[FieldProblem::new("file", "is the one part that is needed")]);
    let mut field = field.filter(|field| field.name() == Some("file")).ok_or_else(missing)?;
    let head = sample(&mut field).await?;
    let media_type = sniff(&head)?;
    let failure = Arc::new(OnceLock::new());
    Ok((Upload::new(media_type, streamed(head, field, Arc::clone(&failure))), failure))
}

/// The form's reader takes whatever is ready into its memory: only one chunk at a time is.
fn one_by_one<S: Stream>(body: S) -> impl Stream<Item = S::Item> {
    let (mut body, mut rests) = (Box::pin(body), false);
    stream::poll_fn(move |cx| {
        if mem::take(&mut rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let chunk = ready!(body.as_mut().poll_next(cx));
        rests = true;
        Poll::Ready(chunk)
    })
}

fn refuse_announced(headers: &HeaderMap) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let too_long = length.is_some_and(|length| length > (UPLOAD_LIMIT + OVERHEAD) as u64);
    if too_long { Err(codes::payload_too_large(UPLOAD_LIMIT)) } else { Ok(()) }
}

/// Reads until there are enough bytes to know the type by.
async fn sample(field: &mut Field<'static>) -> Result<Vec<Bytes>, Problem> {
    let (mut head, mut length) = (Vec::new(), 0);
    while length < SAMPLE {
        let Some(chunk) = field.chunk().await.map_err(|error| explain(&error))? else { break };
        length += chunk.len();
        head.push(chunk);
    }
    Ok(head)
}

fn sniff(head: &[Bytes]) -> Result<&'static str, Problem> {
    let bytes = head.concat();
    let found = infer::get(&bytes).map(|kind| kind.mime_type());
    let taken = found.and_then(|found| MEDIA_TYPES.into_iter().find(|taken| *taken == found));
    taken.ok_or_else(|| codes::unsupported_media_type(format!("the file is none of {}", MEDIA_TYPES.join(", "))))
}

fn streamed(
    head: Vec<Bytes>,
    field: Field<'static>,
    failure: Arc<OnceLock<Problem>>,
) -> impl http_body::Body<Data = Bytes, Error = multer::Error> + Send + 'static {
    let rest = field.inspect(move |chunk| {
        if let Err(error) = chunk {
            let _ = failure.set(explain(error));
        }
    });
    StreamBody::new(stream::iter(head.into_iter().map(Ok)).chain(rest).map(|chunk| chunk.map(Frame::data)))
}

fn explain(error: &multer::Error) -> Problem {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            codes::payload_too_large(UPLOAD_LIMIT)
        }
        multer::Error::StreamReadFailed(_) => codes::bad_request("the body broke off"),
        other => codes::bad_request(format!("the form cannot be read: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, fmt::Debug};

    use http::HeaderValue;
    use http_body_util::BodyExt;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    fn form(name: &str, content: &[u8]) -> Vec<u8> {
        let head = format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n");
        [head.as_bytes(), content, b"\r\n--X--\r\n"].concat()
    }

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    async fn opened(body: Vec<u8>, chunk: usize) -> Result<(Upload, Arc<OnceLock<Problem>>), Problem> {
        let chunks: Vec<_> =
            body.chunks(chunk).map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk))).collect();
        open(&headers("multipart/form-data; boundary=X"), stream::iter(chunks)).await
    }

    fn status<T: Debug>(outcome: Result<T, Problem>) -> u16 {
        outcome.unwrap_err().status().as_u16()
    }

    #[tokio::test]
    async fn a_picture_is_known_by_its_content_and_passed_on_whole() {
        let content = [PNG, &[7; 10_000]].concat();
        for chunk in [1, 13, 100_000] {
            let (upload, _) = opened(form("file", &content), chunk).await.unwrap();
            assert_eq!(upload.media_type, "image/png");
            assert_eq!(upload.body.collect().await.unwrap().to_bytes(), content);
        }
    }

    #[tokio::test]
    async fn what_is_no_picture_is_refused_whatever_it_is_called() {
        assert_eq!(status(opened(form("file", b"<script>"), 999).await), 415);
        assert_eq!(status(opened(form("file", b""), 999).await), 415);
        assert_eq!(status(opened(form("picture", PNG), 999).await), 422);
        assert_eq!(status(opened(b"--X--\r\n".to_vec(), 999).await), 422);
        assert_eq!(status(opened(b"nonsense".to_vec(), 999).await), 400);
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
        let body = || stream::empty::<Result<Bytes, Infallible>>();
        assert_eq!(status(open(&headers("image/png"), body()).await), 415);
        assert_eq!(status(open(&headers("multipart/form-data"), body()).await), 415);
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_asked_for() {
        let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let chunks = form("file", &[PNG, &vec![7; 10 << 20]].concat());
        let chunks: Vec<_> = chunks.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        let body = stream::iter(chunks).map(move |chunk| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, Infallible>(chunk)
        });
        let (mut upload, _) = open(&headers("multipart/form-data; boundary=X"), body).await.unwrap();
        upload.body.frame().await.unwrap().unwrap();
        assert!(taken.load(std::sync::atomic::Ordering::Relaxed) < 5);
    }

    #[tokio::test]
    async fn a_file_that_is_too_long_fails_with_its_reason() {
        let content = [PNG, &vec![0; UPLOAD_LIMIT]].concat();
        let (upload, failure) = opened(form("file", &content), 1 << 20).await.unwrap();
        assert!(upload.body.collect().await.is_err());
        assert_eq!(failure.get().unwrap().status(), 413);
        let mut announced = headers("multipart/form-data; boundary=X");
        announced.insert(header::CONTENT_LENGTH, HeaderValue::from(100_000_000));
        assert_eq!(status(open(&announced, stream::empty::<Result<Bytes, Infallible>>()).await), 413);
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_fails_with_its_reason() {
        let mut body = form("file", &[PNG, &[7; 1000]].concat());
        body.truncate(900);
        let (upload, failure) = opened(body, 300).await.unwrap();
        assert!(upload.body.collect().await.is_err());
        assert_eq!(failure.get().unwrap().status(), 400);
    }
}
