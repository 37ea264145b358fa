//! Lists of faults as other servers write them, in one form. Pure.

use serde_json::{Map, Value, json};

/// Details as programs of this kit read them: lists of FastAPI and of zod become `{field, problem}` (ENV-8), whatever
/// else there is stays.
pub(crate) fn normalise(details: Value) -> Option<Value> {
    match details {
        Value::Null => None,
        Value::Array(list) if !list.is_empty() => Some(faults(&list).unwrap_or(Value::Array(list))),
        Value::Object(mut object) => match object.remove("detail") {
            Some(Value::Array(list)) if object.is_empty() && !list.is_empty() => {
                Some(faults(&list).unwrap_or(Value::Array(list)))
            }
            Some(detail) => {
                object.insert("detail".to_owned(), detail);
                Some(Value::Object(object))
            }
            None => Some(Value::Object(object)),
        },
        other => Some(other),
    }
}

/// `None` unless every item is a fault with a place and a text.
pub(crate) fn faults(list: &[Value]) -> Option<Value> {
    list.iter().map(|item| fault(item.as_object()?)).collect::<Option<Vec<_>>>().map(Value::Array)
}

/// Only place and text are taken over: what else there is may repeat what the caller sent.
fn fault(item: &Map<String, Value>) -> Option<Value> {
    let text = ["msg", "message", "problem"].iter().find_map(|name| item.get(*name)?.as_str())?;
    let field = match (item.get("loc"), item.get("path"), item.get("field")) {
        (Some(Value::Array(loc)), ..) => path(without_source(loc)),
        (_, Some(Value::Array(at)), _) => path(at),
        (_, _, Some(Value::String(field))) => field.clone(),
        _ => return None,
    };
    Some(json!({ "field": field, "problem": text }))
}

/// FastAPI says first where the field was: in the body, the query, the path, a header or a cookie.
fn without_source(loc: &[Value]) -> &[Value] {
    match loc {
        [Value::String(source), rest @ ..]
            if !rest.is_empty() && ["body", "query", "path", "header", "cookie"].contains(&source.as_str()) =>
        {
            rest
        }
        _ => loc,
    }
}

fn path(steps: &[Value]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Value::String(name) if text.is_empty() => text.push_str(name),
            Value::String(name) => text.extend([".", name]),
            other => text.extend(["[", &other.to_string(), "]"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // ENV-8
    #[test]
    fn lists_of_fastapi_and_of_zod_become_fields_and_problems() {
        let fastapi = json!([{
            "type": "missing", "loc": ["body", "references", 0, "fileId"], "msg": "Field required", "input": "secret",
        }]);
        let expected = json!([{ "field": "references[0].fileId", "problem": "Field required" }]);
        assert_eq!(normalise(fastapi.clone()), Some(expected.clone()));
        assert_eq!(normalise(json!({ "detail": fastapi })), Some(expected));
        let zod = json!([{ "code": "too_big", "path": ["limit"], "message": "too big" }]);
        assert_eq!(normalise(zod), Some(json!([{ "field": "limit", "problem": "too big" }])));
        let body = json!([{ "loc": ["body"], "msg": "is no JSON" }]);
        assert_eq!(normalise(body), Some(json!([{ "field": "body", "problem": "is no JSON" }])));
    }

    #[test]
    fn what_is_no_list_of_faults_stays() {
        for other in [json!("Not Found"), json!([1, 2]), json!([{ "msg": "no place" }]), json!({ "a": 1 }), json!([])] {
            assert_eq!(normalise(other.clone()), Some(other));
        }
        let mixed = json!({ "detail": [1], "more": 2 });
        assert_eq!(normalise(mixed.clone()), Some(mixed));
        assert_eq!(normalise(Value::Null), None);
    }
}
