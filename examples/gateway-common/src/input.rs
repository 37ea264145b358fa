use std::{fmt, marker::PhantomData, time::Duration};

use buttress_core::{FieldProblem, Problem};
use buttress_provider::{AspectRatio, FileId, ImageRequest, Reference, ReferenceKind, VideoRequest};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::error::Category;

use crate::codes;

/// The longest JSON body that is taken, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// How long a JSON body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest prompt, in characters.
pub(crate) const PROMPT_LIMIT: usize = 4_000;

/// The most references of one request.
pub(crate) const REFERENCE_LIMIT: usize = 16;

/// The body of `POST /api/images`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewImage {
    prompt: String,
    model: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    negative_prompt: Option<String>,
    seed: Option<u64>,
    steps: Option<u32>,
    references: Option<Vec<Object<Reference>>>,
}

/// The body of `POST /api/videos`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewVideo {
    prompt: String,
    model: Option<String>,
    /// In seconds; `5` and `5.0` are one.
    duration: Option<f64>,
    aspect_ratio: Option<AspectRatio>,
    seed: Option<u64>,
    image: Option<FileId>,
}

/// A value that is written as a JSON object: serde would take an array of its members too.
#[derive(Clone, Debug)]
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Reads a JSON body.
///
/// # Errors
///
/// 415 when it is not announced as JSON, 400 when it is none, 422 with the field when a member is missing, unknown or
/// of the wrong type.
pub fn parse_json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(codes::unsupported_media_type("the body is to be application/json"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let Object(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        explain(path, &error.into_inner())
    })?;
    json.end().map_err(|error| explain(String::new(), &error))?;
    Ok(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|media_type| media_type.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn explain(path: String, error: &serde_json::Error) -> Problem {
    if error.classify() != Category::Data {
        return codes::bad_request(format!("the body is no JSON: {error}"));
    }
    let text = error.to_string();
    let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem).to_owned();
    let parent = if path == "." { String::new() } else { path };
    let field = match named_field(&problem) {
        Some(name) if parent.is_empty() => name.to_owned(),
        Some(name) => format!("{parent}.{name}"),
        None => parent,
    };
    codes::validation_failed(&[FieldProblem::new(field, problem)])
}

/// The member that serde names in its text: of a missing one, and of one that is there twice, the path knows only the
/// parent.
fn named_field(problem: &str) -> Option<&str> {
    let named = problem.strip_prefix("missing field `").or_else(|| problem.strip_prefix("duplicate field `"))?;
    named.split('`').next()
}

impl NewImage {
    /// The request to the provider, after the checks that need no model.
    pub(crate) fn into_request(self, default_model: &str) -> Result<ImageRequest, Problem> {
        let Self { prompt, model, width, height, negative_prompt, seed, steps, references } = self;
        let mut faults = Vec::new();
        let references: Vec<_> = references.into_iter().flatten().map(|Object(reference)| reference).collect();
        check_text(&mut faults, "prompt", &prompt, true);
        check_text(&mut faults, "negativePrompt", negative_prompt.as_deref().unwrap_or_default(), false);
        if references.len() > REFERENCE_LIMIT {
            faults.push(FieldProblem::new("references", format!("has more than {REFERENCE_LIMIT} entries")));
        }
        refuse(&faults)?;
        let mut request = ImageRequest::new(model.unwrap_or_else(|| default_model.to_owned()), prompt);
        (request.width, request.height, request.seed, request.steps) = (width, height, seed, steps);
        request.negative_prompt = negative_prompt;
        request.references = references;
        Ok(request)
    }
}

impl NewVideo {
    /// The request to the provider, after the checks that need no model. `models` are the ones to take without and
    /// with a picture.
    pub(crate) fn into_request(self, models: (&str, &str)) -> Result<VideoRequest, Problem> {
        let Self { prompt, model, duration, aspect_ratio, seed, image } = self;
        let mut faults = Vec::new();
        check_text(&mut faults, "prompt", &prompt, true);
        let duration = duration.map(|seconds| whole_seconds(&mut faults, seconds));
        refuse(&faults)?;
        let usual = if image.is_some() { models.1 } else { models.0 };
        let mut request = VideoRequest::new(model.unwrap_or_else(|| usual.to_owned()), prompt);
        (request.duration, request.aspect_ratio, request.seed) = (duration, aspect_ratio, seed);
        request.references.extend(image.map(|file_id| Reference { kind: ReferenceKind::Source, file_id }));
        Ok(request)
    }
}

fn check_text(faults: &mut Vec<FieldProblem>, field: &'static str, text: &str, needed: bool) {
    let length = text.chars().count();
    if needed && text.trim().is_empty() {
        faults.push(FieldProblem::new(field, "is empty"));
    } else if length > PROMPT_LIMIT {
        let problem = format!("has {length} characters, {PROMPT_LIMIT} at most are taken");
        faults.push(FieldProblem::new(field, problem));
    }
}

fn whole_seconds(faults: &mut Vec<FieldProblem>, seconds: f64) -> Duration {
    let fits = seconds.fract() == 0.0 && (1.0..=3_600.0).contains(&seconds);
    if !fits {
        faults.push(FieldProblem::new("duration", "is a whole number of seconds from 1 to 3600"));
        return Duration::ZERO;
    }
    Duration::from_secs_f64(seconds)
}

fn refuse(faults: &[FieldProblem]) -> Result<(), Problem> {
    if faults.is_empty() { Ok(()) } else { Err(codes::validation_failed(faults)) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn json_headers() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))])
    }

    fn image(body: &str) -> Result<ImageRequest, Problem> {
        parse_json::<NewImage>(&json_headers(), body.as_bytes())?.into_request("usual")
    }

    fn video(body: &str) -> Result<VideoRequest, Problem> {
        parse_json::<NewVideo>(&json_headers(), body.as_bytes())?.into_request(("usual", "animate"))
    }

    /// Code, and the field of the first detail.
    fn told(problem: &Problem) -> (String, String) {
        let field = problem.details_value().map_or("", |details| details[0]["field"].as_str().unwrap());
        (problem.code().to_string(), field.to_owned())
    }

    #[test]
    fn a_full_request_is_understood() {
        let body = r#"{"prompt":"a boat","model":"m","width":640,"height":480,"negativePrompt":"fog","seed":99999999999999,
            "steps":20,"references":[{"type":"style","fileId":"f-1"}]}"#;
        let request = image(body).unwrap();
        assert_eq!((request.model.as_str(), request.seed, request.width), ("m", Some(99_999_999_999_999), Some(640)));
        assert_eq!(request.references[0].file_id.as_str(), "f-1");
        assert!(image(r#"{"prompt":"a boat","references":null,"seed":null}"#).is_ok());
    }

    #[test]
    fn the_usual_model_of_a_video_depends_on_its_picture() {
        assert_eq!(video(r#"{"prompt":"x"}"#).unwrap().model, "usual");
        let animated = video(r#"{"prompt":"x","image":"f","duration":5.0,"aspectRatio":"16:9"}"#).unwrap();
        assert_eq!((animated.model.as_str(), animated.duration), ("animate", Some(Duration::from_secs(5))));
        assert_eq!(animated.references[0].kind, ReferenceKind::Source);
    }

    #[test]
    fn what_is_no_json_is_a_bad_request() {
        for bad in ["", "{", "prompt", r#"{"prompt":"a"} x"#, "{\"prompt\":\"\u{1}\"}"] {
            assert_eq!(told(&image(bad).unwrap_err()).0, "bad_request", "{bad}");
        }
    }

    #[test]
    fn a_member_that_does_not_fit_is_named() {
        let table = [
            ("{}", "prompt"),
            (r#"{"prompt":7}"#, "prompt"),
            (r#"{"prompt":"a","width":"wide"}"#, "width"),
            (r#"{"prompt":"a","width":-1}"#, "width"),
            (r#"{"prompt":"a","seed":1.5}"#, "seed"),
            (r#"{"prompt":"a","colour":"red"}"#, "colour"),
            (r#"{"prompt":"a","references":[{"type":"source","fileId":"../x"}]}"#, "references[0].fileId"),
            (r#"{"prompt":"a","references":[{"type":"smell","fileId":"x"}]}"#, "references[0].type"),
            (r#"{"prompt":"  "}"#, "prompt"),
            (r#"{"prompt":"a","prompt":"b"}"#, "prompt"),
            (r#"["a boat",null,null,null,null,null,null,[]]"#, ""),
            ("null", ""),
            (r#"{"prompt":"a","references":[["source","x"]]}"#, "references[0]"),
            (r#"{"prompt":"a","references":[{"type":"source"}]}"#, "references[0].fileId"),
            (r#"{"prompt":"a","references":[{"type":"source","type":"mask","fileId":"x"}]}"#, "references[0].type"),
            (r#"{"prompt":"a","references":[{"type":"source","fileId":"x","size":1}]}"#, "references[0].size"),
        ];
        for (body, field) in table {
            assert_eq!(told(&image(body).unwrap_err()), ("validation_failed".into(), field.into()), "{body}");
        }
        for (body, field) in [
            (r#"{"prompt":"a","duration":0}"#, "duration"),
            (r#"{"prompt":"a","duration":5.5}"#, "duration"),
            (r#"{"prompt":"a","duration":1e300}"#, "duration"),
            (r#"{"prompt":"a","aspectRatio":"1280:720"}"#, "aspectRatio"),
        ] {
            assert_eq!(told(&video(body).unwrap_err()), ("validation_failed".into(), field.into()), "{body}");
        }
    }

    #[test]
    fn all_texts_that_are_too_long_are_named_at_once() {
        let long = "ä".repeat(PROMPT_LIMIT + 1);
        let problem = image(&format!(r#"{{"prompt":"{long}","negativePrompt":"{long}"}}"#)).unwrap_err();
        assert_eq!(problem.details_value().unwrap().as_array().unwrap().len(), 2);
        let fits = "ä".repeat(PROMPT_LIMIT);
        assert!(image(&format!(r#"{{"prompt":"{fits}"}}"#)).is_ok());
    }

    #[test]
    fn a_body_of_another_type_is_not_looked_at() {
        let problem = parse_json::<NewImage>(&HeaderMap::new(), b"{}").unwrap_err();
        assert_eq!(problem.status(), 415);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(body: Vec<u8>) {
            let _ = parse_json::<NewImage>(&json_headers(), &body);
            let _ = parse_json::<NewVideo>(&json_headers(), &body);
        }
    }
}
