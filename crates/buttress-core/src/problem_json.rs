//! A problem as text. Pure.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::{CorrelationId, problem::Said};

/// The type of problems that have none of their own.
pub(crate) const NO_TYPE: &str = "about:blank";

/// The members of every problem, whose names no other can have.
const MEMBERS: [&str; 9] =
    ["type", "title", "status", "detail", "code", "message", "details", "retryable", "correlationId"];

/// Problem details, but for the correlation id.
#[derive(Clone)]
pub(crate) struct Text {
    json: Bytes,
    /// Where the correlation id goes.
    at: usize,
}

impl Text {
    pub(crate) fn of(said: &Said) -> Self {
        let mut json = Json(Vec::with_capacity(512));
        json.plain("{\"type\":\"", said.kind.unwrap_or(NO_TYPE));
        json.plain("\",\"title\":\"", said.status.canonical_reason().unwrap_or("Error"));
        json.plain("\",\"status\":", said.status.as_str());
        json.text(",\"detail\":", &said.message);
        json.plain(",\"code\":\"", said.code.as_str());
        json.text("\",\"message\":", &said.message);
        if let Some(details) = &said.details {
            json.value(",\"details\":", details);
        }
        json.plain(",\"retryable\":", if said.retryable { "true" } else { "false" });
        let at = json.0.len();
        if let (Some(Value::Object(members)), Some(_)) = (&said.details, said.kind) {
            for (name, value) in members.iter().filter(|(name, _)| !MEMBERS.contains(&name.as_str())) {
                json.text(",", name);
                json.value(":", value);
            }
        }
        json.plain("}", "");
        Self { json: json.0.into(), at }
    }

    pub(crate) fn with(&self, correlation_id: Option<&CorrelationId>) -> Bytes {
        match correlation_id {
            None => self.json.clone(),
            Some(id) => {
                let (before, after) = self.json.split_at(self.at);
                [before, b",\"correlationId\":\"", id.as_str().as_bytes(), b"\"", after].concat().into()
            }
        }
    }
}

/// JSON under way.
struct Json(Vec<u8>);

impl Json {
    /// A piece of JSON, then text that is known to need no escapes.
    fn plain(&mut self, json: &'static str, text: &str) {
        self.0.extend_from_slice(json.as_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A piece of JSON, then a string. Hardly any needs escapes, and to look at the whole of it costs less than to look
    /// for the first.
    fn text(&mut self, json: &'static str, text: &str) {
        if text.bytes().fold(false, |any, byte| any | needs_escape(byte)) {
            return self.value(json, text);
        }
        self.plain(json, "\"");
        self.plain("", text);
        self.plain("\"", "");
    }

    /// A piece of JSON, then a value.
    fn value<T: Serialize + ?Sized>(&mut self, json: &'static str, value: &T) {
        self.plain(json, "");
        serde_json::to_writer(&mut self.0, value).expect("strings and JSON values always serialise");
    }
}

fn needs_escape(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_written_as_serde_json_writes_them() {
        for char in ('\0'..='\u{100}').chain(['\u{2028}', '\u{ffff}', '\u{1f600}']) {
            for text in [char.to_string(), format!("some text before {char} and some after it")] {
                let mut json = Json(Vec::new());
                json.text("", &text);
                assert_eq!(json.0, serde_json::to_vec(&text).unwrap(), "{char:?}");
            }
        }
    }
}
