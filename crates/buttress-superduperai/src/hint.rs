//! What one event says about one job (pure).

use buttress_provider::{Hint, JobId};
use serde::Deserialize;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

/// As much of an object as tells whose it is. What it says beside that is not believed: the next look decides.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    file_id: Option<String>,
    #[serde(default)]
    progress: Option<f64>,
}

/// The hint in an event's data, if it is about the job. What cannot be read, is of an unknown type or about another
/// job is none.
pub(crate) fn hint(data: &[u8], id: &JobId) -> Option<Hint> {
    let Event { kind, object } = serde_json::from_slice(data).ok()?;
    let is_ours = |other: &Option<String>| other.as_deref() == Some(id.as_str());
    // On a channel of our own, an object without an owner is ours.
    let is_not_foreign = object.file_id.is_none() || is_ours(&object.file_id);
    let changed = match kind.as_str() {
        "file" => is_ours(&object.id),
        "task" => is_not_foreign,
        "render_result" => is_ours(&object.id) || is_ours(&object.file_id),
        "render_progress" if is_not_foreign => return object.progress.and_then(figure),
        _ => false,
    };
    changed.then_some(Hint::Changed)
}

/// Percent on the wire, a fraction here; anything else is no figure.
fn figure(percent: f64) -> Option<Hint> {
    (0.0..=100.0).contains(&percent).then(|| Hint::Progress(percent / 100.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: &str = "01198142-a1f4-4a57-bbe9-05086083c3d4";

    fn of(data: &str) -> Option<Hint> {
        hint(data.replace("OURS", OURS).as_bytes(), &OURS.parse().unwrap())
    }

    // quirk 2
    #[test]
    fn files_are_known_by_their_id_and_tasks_by_their_file() {
        assert_eq!(of(r#"{"type":"file","object":{"id":"OURS","url":null}}"#), Some(Hint::Changed));
        assert_eq!(of(r#"{"type":"task","object":{"id":"x","file_id":"OURS"}}"#), Some(Hint::Changed));
        assert_eq!(of(r#"{"type":"task","object":{"id":"x","file_id":null}}"#), Some(Hint::Changed));
        assert_eq!(of(r#"{"type":"render_result","object":{"file_id":"OURS"}}"#), Some(Hint::Changed));
        assert_eq!(of(r#"{"type":"render_result","object":{"id":"OURS"}}"#), Some(Hint::Changed));
    }

    #[test]
    fn what_is_foreign_unknown_or_broken_is_no_hint() {
        let table = [
            r#"{"type":"file","object":{"id":"another"}}"#,
            r#"{"type":"file","object":{"file_id":"OURS"}}"#,
            r#"{"type":"task","object":{"id":"OURS","file_id":"another"}}"#,
            r#"{"type":"render_result","object":{}}"#,
            r#"{"type":"render_progress","object":{"progress":7,"file_id":"another"}}"#,
            r#"{"type":"hologram","object":{"id":"OURS"}}"#,
            r#"{"type":"file","object":"OURS"}"#,
            r#"{"type":"test","message":"SSE endpoint working"}"#,
            r#"{"type":"file","object":{"id":"OURS""#,
            r#"{"object":{"id":"OURS"}}"#,
            "[]",
            "",
        ];
        for data in table {
            assert_eq!(of(data), None, "{data}");
        }
    }

    #[test]
    fn percent_become_a_fraction_and_nonsense_becomes_nothing() {
        let of = |progress: &str| of(&format!(r#"{{"type":"render_progress","object":{{"progress":{progress}}}}}"#));
        assert_eq!(of("45"), Some(Hint::Progress(0.45)));
        assert_eq!(of("0"), Some(Hint::Progress(0.0)));
        assert_eq!(of("100.0"), Some(Hint::Progress(1.0)));
        for nonsense in ["-1", "101", "1e9", "null", "\"45\""] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(data: Vec<u8>) {
            let _ = hint(&data, &OURS.parse().unwrap());
        }
    }
}
