//! The `detail` of a refusal: a text, a list of faults, or nothing that can be read (pure).

use buttress_core::FieldProblem;
use serde::Deserialize;
use serde_json::Value;

use crate::Token;

/// What a refusal says about itself, fit to be shown.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Detail {
    #[default]
    None,
    Text(String),
    Faults(Vec<Fault>),
}

/// One fault of a request body, and where it is.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    /// The field as callers write it, where it is one of theirs.
    field: Option<String>,
    message: String,
}

/// `input` is left out on purpose: it can repeat the prompt.
#[derive(Deserialize)]
struct WireFault {
    #[serde(default)]
    loc: Value,
    #[serde(default)]
    msg: String,
}

const MAX_TEXT: usize = 200;
const MAX_FAULTS: usize = 32;

impl Detail {
    /// Never fails: what cannot be read says nothing.
    pub(crate) fn read(body: &[u8], token: &Token) -> Self {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
            return Self::None;
        };
        match body.remove("detail") {
            Some(Value::String(text)) => presentable(&text, token).map_or(Self::None, Self::Text),
            Some(Value::Array(faults)) => {
                let faults = faults.into_iter().take(MAX_FAULTS).filter_map(|fault| Fault::read(fault, token));
                Self::Faults(faults.collect())
            }
            _ => Self::None,
        }
    }

    /// A text for people, if there is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Text(text) => Some(text),
            Self::Faults(faults) => faults.first().map(|fault| fault.message.as_str()),
        }
    }

    /// The faults in fields that the caller set.
    pub(crate) fn fields(self, given: &[&str]) -> Vec<FieldProblem> {
        let Self::Faults(faults) = self else {
            return Vec::new();
        };
        let ours = |fault: Fault| {
            let field = fault.field?;
            let root = field.split('[').next().unwrap_or_default();
            given.contains(&root).then(|| FieldProblem::new(field, fault.message))
        };
        faults.into_iter().filter_map(ours).collect()
    }
}

impl Fault {
    fn read(fault: Value, token: &Token) -> Option<Self> {
        let fault: WireFault = serde_json::from_value(fault).ok()?;
        let message = presentable(&fault.msg, token).unwrap_or_else(|| "is not accepted".into());
        Some(Self { field: field(&fault.loc), message })
    }
}

/// `["body", "config", "references", 0, "reference_id"]` is `references[0].fileId`.
fn field(loc: &Value) -> Option<String> {
    let path = loc.as_array()?.strip_prefix(&[Value::from("body"), Value::from("config")])?;
    let (root, rest) = path.split_first()?;
    let root = match root.as_str()? {
        "generation_config_name" => "model",
        "negative_prompt" => "negativePrompt",
        "aspect_ratio" => "aspectRatio",
        plain @ ("prompt" | "width" | "height" | "seed" | "steps" | "duration" | "references") => plain,
        _ => return None,
    };
    let mut field = root.to_owned();
    if let Some(index) = rest.first().and_then(Value::as_u64) {
        field.push_str(&format!("[{index}]"));
        match rest.get(1).and_then(Value::as_str) {
            Some("type") => field.push_str(".type"),
            Some("reference_id") => field.push_str(".fileId"),
            _ => {}
        }
    }
    Some(field)
}

/// A foreign text cut to size, without control characters; nothing at all if it names an address or the token.
fn presentable(text: &str, token: &Token) -> Option<String> {
    if text.trim().is_empty() || text.contains("://") || token.is_in(text) {
        return None;
    }
    let mut shown: String = text.trim().chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.trim().chars().nth(MAX_TEXT).is_some() {
        shown.push('…');
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Detail {
        Detail::read(body.as_bytes(), &Token::new("top-secret").unwrap())
    }

    // quirk 23
    #[test]
    fn a_detail_is_a_text_a_list_or_nothing() {
        assert_eq!(read(r#"{"detail":"Not Found"}"#), Detail::Text("Not Found".into()));
        assert_eq!(read(r#"{"detail":"x","errors":[{"field":"a","message":"b"}]}"#).text(), Some("x"));
        for nothing in
            ["", "{}", "[]", "null", "Internal Server Error", "<html>", r#"{"detail":7}"#, r#"{"detail":" "}"#]
        {
            assert_eq!(read(nothing), Detail::None, "{nothing}");
        }
    }

    #[test]
    fn faults_carry_the_callers_names_and_drop_the_input() {
        let detail = read(
            r#"{"detail":[
                {"type":"x","loc":["body","config","negative_prompt"],"msg":"too long","input":"my prompt"},
                {"loc":["body","config","references",3,"reference_id"],"msg":"no id"},
                {"loc":["body","config","references",0,"type"],"msg":""},
                {"loc":["body","config","batch_size"],"msg":"not ours"},
                {"loc":["query","limit"],"msg":"not ours"},
                {"loc":["body","config","width"],"msg":"not set"},
                {"msg":"nowhere"}, {"loc":"odd"}, 7
            ]}"#,
        );
        assert!(!format!("{detail:?}").contains("my prompt"));
        let fields = detail.fields(&["negativePrompt", "references"]);
        let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
        let expected =
            ["negativePrompt: too long", "references[3].fileId: no id", "references[0].type: is not accepted"];
        assert_eq!(fields, expected);
    }

    #[test]
    fn every_field_of_a_caller_has_its_name() {
        let table = [("generation_config_name", "model"), ("aspect_ratio", "aspectRatio"), ("duration", "duration")];
        for (wire, name) in table {
            let loc = serde_json::json!(["body", "config", wire]);
            assert_eq!(field(&loc).as_deref(), Some(name));
        }
        assert_eq!(field(&serde_json::json!(["body", "config", "style_name"])), None);
    }

    // AIC-13
    #[test]
    fn a_text_that_names_the_token_or_an_address_is_not_shown() {
        assert_eq!(read(r#"{"detail":"bad token top-secret"}"#), Detail::None);
        assert_eq!(read(r#"{"detail":"see https://10.0.0.7/x"}"#), Detail::None);
        let fault = read(r#"{"detail":[{"loc":["body","config","prompt"],"msg":"top-secret"}]}"#);
        assert_eq!(fault.fields(&["prompt"])[0].problem, "is not accepted");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = format!(r#"{{"detail":"{}\u0007"}}"#, "ä".repeat(300));
        let Detail::Text(text) = read(&long) else { panic!("a text was expected") };
        assert_eq!(text.chars().count(), 201);
        assert_eq!(read(r#"{"detail":"a\nb"}"#).text(), Some("a b"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Detail::read(&bytes, &Token::new("t").unwrap());
        }
    }
}
