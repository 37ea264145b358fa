//! One text for all the ways to write the same body. Pure.

use crate::chunks::Chunks;

/// How bodies are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Canonical {
    /// Byte by byte.
    #[default]
    Bytes,
    /// JSON by what it says, everything else byte by byte.
    #[cfg(feature = "json")]
    Json,
}

impl Canonical {
    /// The body in its one form, `None` if that is how it came.
    #[cfg(feature = "json")]
    pub(crate) fn rewritten(self, content_type: &[u8], body: &Chunks) -> Option<Vec<u8>> {
        (self == Self::Json && json::is_json(content_type)).then(|| json::rewritten(body)).flatten()
    }

    #[cfg(not(feature = "json"))]
    pub(crate) fn rewritten(self, _: &[u8], _: &Chunks) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(feature = "json")]
mod json {
    use std::borrow::Cow;

    use serde_json::Value;

    use crate::chunks::Chunks;

    /// `application/json`, and whatever is built upon it.
    pub(super) fn is_json(content_type: &[u8]) -> bool {
        let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
        let essence = content_type[..end].trim_ascii().to_ascii_lowercase();
        essence == b"application/json" || essence.ends_with(b"+json")
    }

    /// Without spaces, and with the members of objects in the order of their names. What is no JSON stays as it is.
    pub(super) fn rewritten(body: &Chunks) -> Option<Vec<u8>> {
        let parts: Vec<_> = body.iter().collect();
        let bytes = match parts[..] {
            [whole] => Cow::Borrowed(whole),
            _ => Cow::Owned(parts.concat()),
        };
        let value = serde_json::from_slice(&bytes).ok()?;
        if has_float(&value) && has_long_number(&bytes) {
            return None;
        }
        let mut text = Vec::with_capacity(body.len());
        write(&value, &mut text);
        Some(text)
    }

    /// Numbers that are no integers of 64 bits are rounded when they are read: two that are long may look the same then.
    fn has_float(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(array) => array.iter().any(has_float),
            Value::Object(object) => object.values().any(has_float),
            _ => false,
        }
    }

    fn has_long_number(text: &[u8]) -> bool {
        let mut runs = text.split(|byte| !byte.is_ascii_digit() && *byte != b'.');
        runs.any(|run| run.len() > 16)
    }

    /// As deep as the parser went, which has a limit.
    fn write(value: &Value, text: &mut Vec<u8>) {
        match value {
            Value::Object(object) => {
                // Maps may keep the order of the text, if another crate asks for that.
                let mut members: Vec<_> = object.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                list(b"{}", members, text, |(name, value), text| {
                    serde_json::to_writer(&mut *text, name).expect(SERIALISES);
                    text.push(b':');
                    write(value, text);
                });
            }
            Value::Array(array) => list(b"[]", array, text, write),
            other => serde_json::to_writer(text, other).expect(SERIALISES),
        }
    }

    fn list<T>(
        brackets: &[u8; 2],
        items: impl IntoIterator<Item = T>,
        text: &mut Vec<u8>,
        each: impl Fn(T, &mut Vec<u8>),
    ) {
        text.push(brackets[0]);
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                text.push(b',');
            }
            each(item, text);
        }
        text.push(brackets[1]);
    }

    const SERIALISES: &str = "names and plain values always serialise";
}

#[cfg(all(test, feature = "json"))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::unwrap_used, reason = "a helper of tests fails as they do")]
    fn rewritten(text: &str) -> Option<String> {
        let mut body = Chunks::default();
        body.push(text.to_owned().into());
        let text = Canonical::Json.rewritten(b"application/json; charset=utf-8", &body)?;
        Some(String::from_utf8(text).unwrap())
    }

    #[test]
    fn order_and_spaces_do_not_matter_and_everything_else_does() {
        let one = rewritten(r#" { "b" : [1, {"y":null,"x":"é\n"}], "a": true } "#);
        assert_eq!(one.as_deref(), Some("{\"a\":true,\"b\":[1,{\"x\":\"é\\n\",\"y\":null}]}"));
        assert_ne!(rewritten("[1,2]"), rewritten("[2,1]"));
        assert_ne!(rewritten(r#"{"a":"1"}"#), rewritten(r#"{"a":1}"#));
    }

    #[test]
    fn long_numbers_that_would_be_rounded_are_compared_as_they_are() {
        assert_eq!(rewritten("[100000000000000000001]"), None);
        assert_eq!(rewritten("[0.10000000000000000001]"), None);
        assert_eq!(rewritten(r#"[ 1.50, "100000000000000001" ]"#), None);
        assert_eq!(rewritten("[ 1.50 ]").as_deref(), Some("[1.5]"));
        assert_eq!(rewritten("[ 1000000000000000001 ]").as_deref(), Some("[1000000000000000001]"));
    }

    #[test]
    fn what_is_no_json_is_compared_as_it_is() {
        assert_eq!(rewritten("{a:1}"), None);
        assert_eq!(rewritten(&"[".repeat(100_000)), None);
        assert_eq!(Canonical::Json.rewritten(b"text/plain", &Chunks::default()), None);
        assert_eq!(Canonical::Bytes.rewritten(b"application/json", &Chunks::default()), None);
    }

    proptest! {
        #[test]
        fn what_was_rewritten_says_the_same_and_stays_as_it_is(text in r#"(\{"[a-c]{1,2}":(1|-2\.5|"x y"|null|\[true,\{\}\])\}|[1-9][0-9]{0,18})"#) {
            let once = rewritten(&text).unwrap();
            let values: [serde_json::Value; 2] = [&text, &once].map(|text| serde_json::from_str(text).unwrap());
            prop_assert_eq!(&values[0], &values[1]);
            prop_assert_eq!(rewritten(&once).unwrap(), once);
        }
    }
}
