//! Faults as `POST /_sim/faults` takes them.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Answer, Fault, Then, span};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    path: String,
    #[serde(default = "once")]
    times: u32,
    then: Map<String, Value>,
}

fn once() -> u32 {
    1
}

/// Reads a fault; the error says what is wrong with it.
pub(crate) fn parse(body: &[u8]) -> Result<Fault, String> {
    let request: Request = serde_json::from_slice(body).map_err(|err| format!("a fault: {err}"))?;
    let method = Method::from_bytes(request.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| format!("method: `{}` is none", request.method))?;
    if !request.path.starts_with(['/', '*']) {
        return Err(format!("path: `{}` does not start with `/`", request.path));
    }
    if request.times == 0 {
        return Err("times: 0 would wait for nothing".to_owned());
    }
    let then = then(&request.then)?;
    Ok(Fault::new(method, request.path, then).times(request.times))
}

fn then(then: &Map<String, Value>) -> Result<Then, String> {
    let kinds = ["status", "delay", "drop", "hang"];
    let mut given = kinds.iter().filter(|kind| then.contains_key(**kind));
    let (Some(kind), None) = (given.next(), given.next()) else {
        return Err("then: give exactly one of `status`, `delay`, `drop` and `hang`".to_owned());
    };
    let companions: &[&str] = match *kind {
        "status" => &["headers", "body"],
        "drop" => &["n"],
        _ => &[],
    };
    let stray = |name: &&String| name != kind && !companions.contains(&name.as_str());
    if let Some(name) = then.keys().find(stray) {
        return Err(format!("then: `{name}` says nothing beside `{kind}`"));
    }
    match *kind {
        "status" => answer(then).map(Then::Answer),
        "delay" => delay(&then["delay"]),
        "drop" => drop(then),
        _ if then["hang"] == true => Ok(Then::Hang),
        _ => Err("then.hang: only `true` means something".to_owned()),
    }
}

fn delay(value: &Value) -> Result<Then, String> {
    let text = value.as_str().unwrap_or_default();
    span::parse(text).map(Then::Delay).map_err(|err| format!("then.delay: {err}"))
}

fn drop(then: &Map<String, Value>) -> Result<Then, String> {
    match (then["drop"].as_str(), then.get("n")) {
        (Some("before"), None) => Ok(Then::DropBefore),
        (Some("after-bytes"), Some(n)) => {
            let n = n.as_u64().and_then(|n| usize::try_from(n).ok());
            n.map(Then::DropAfter).ok_or_else(|| "then.n: not a number of bytes".to_owned())
        }
        _ => Err("then.drop: either \"before\", or \"after-bytes\" with a number `n`".to_owned()),
    }
}

fn answer(then: &Map<String, Value>) -> Result<Answer, String> {
    let status = then["status"].as_u64().and_then(|code| u16::try_from(code).ok());
    let status = status
        .filter(|code| *code >= 200)
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or("then.status: not a number from 200 to 999")?;
    let (body, media_type) = match then.get("body") {
        None | Some(Value::Null) => (Bytes::new(), None),
        Some(Value::String(text)) => (Bytes::from(text.clone()), Some(media_type(text))),
        Some(json) => (Bytes::from(json.to_string()), Some(JSON)),
    };
    let mut headers = then.get("headers").map_or_else(|| Ok(HeaderMap::new()), fields)?;
    if let Some(media_type) = media_type {
        headers.entry(header::CONTENT_TYPE).or_insert(media_type);
    }
    Ok(Answer { status, headers, body })
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn media_type(text: &str) -> HeaderValue {
    let json = serde_json::from_str::<Value>(text).is_ok();
    if json { JSON } else { HeaderValue::from_static("text/plain; charset=utf-8") }
}

fn fields(value: &Value) -> Result<HeaderMap, String> {
    let fields = value.as_object().ok_or("then.headers: not an object")?;
    let field = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(&text).ok()?))
    };
    let fields = fields.iter().map(|it| field(it).ok_or_else(|| format!("then.headers.{}: not a header field", it.0)));
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err()
    }

    fn error_in(then: &str) -> String {
        error(&format!(r#"{{"method":"GET","path":"/x","then":{then}}}"#))
    }

    #[test]
    fn bad_faults_are_told_what_is_wrong() {
        assert!(error("{").starts_with("a fault: EOF"));
        assert!(error(r#"{"path":"/x","then":{"hang":true}}"#).contains("missing field `method`"));
        let fault = r#"{"method":"GET","path":"x","then":{"hang":true}}"#;
        assert_eq!(error(fault), "path: `x` does not start with `/`");
        let fault = r#"{"method":"GET","path":"/x","times":0,"then":{"hang":true}}"#;
        assert_eq!(error(fault), "times: 0 would wait for nothing");
        assert!(error_in("{}").starts_with("then: give exactly one"));
        assert!(error_in(r#"{"status":503,"hang":true}"#).starts_with("then: give exactly one"));
        assert_eq!(error_in(r#"{"hang":true,"n":1}"#), "then: `n` says nothing beside `hang`");
        assert!(error_in(r#"{"delay":3}"#).starts_with("then.delay:"));
        assert!(error_in(r#"{"drop":"after-bytes"}"#).starts_with("then.drop:"));
        assert!(error_in(r#"{"drop":"after-bytes","n":"x"}"#).starts_with("then.n:"));
        assert!(error_in(r#"{"status":99}"#).starts_with("then.status:"));
        assert!(error_in(r#"{"status":200,"headers":{"a b":"c"}}"#).starts_with("then.headers.a b:"));
    }

    #[test]
    fn an_answers_media_type_is_guessed_unless_given() {
        let guess = |then: &str| {
            let then: Map<String, Value> = serde_json::from_str(then).unwrap();
            answer(&then).unwrap().headers[header::CONTENT_TYPE].clone()
        };
        assert_eq!(guess(r#"{"status":500,"body":"Internal Server Error"}"#), "text/plain; charset=utf-8");
        assert_eq!(guess(r#"{"status":500,"body":"{\"detail\":1}"}"#), "application/json");
        assert_eq!(guess(r#"{"status":500,"body":{"detail":1}}"#), "application/json");
        let given = r#"{"status":500,"body":"x","headers":{"content-type":"text/html"}}"#;
        assert_eq!(guess(given), "text/html");
    }
}
