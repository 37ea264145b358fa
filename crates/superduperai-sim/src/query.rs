//! Query strings, as an object that [`validate`](crate::validate) can read.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    detail::Refusal,
    validate::{Object, Problems},
};

/// Paging and order, which every list takes.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) order_by: Option<String>,
    pub(crate) ascending: bool,
}

/// Reads a query; the keys in `lists` may repeat, of any other the last value counts.
pub(crate) fn read<T>(query: Option<&str>, lists: &[&str], read: impl FnOnce(&Object<'_>) -> T) -> Result<T, Refusal> {
    let object = parse(query.unwrap_or_default(), lists);
    let problems = Problems::default();
    let result = problems.slot("query", &object).object().map(|it| read(&it));
    problems.settle(result)
}

pub(crate) fn paging(query: &Object<'_>) -> Paging {
    let number = |name, range| query.optional(name).and_then(|slot| slot.int_within(range));
    let order = |slot: crate::validate::Slot<'_>| slot.label(&["ascendent", "descendent"]);
    Paging {
        limit: number("limit", 1..=100).map_or(50, to_usize),
        offset: number("offset", 0..=i64::MAX).map_or(0, to_usize),
        order_by: query.optional("order_by").and_then(|slot| slot.text()),
        ascending: query.optional("order").and_then(order) == Some("ascendent"),
    }
}

fn to_usize(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn parse(query: &str, lists: &[&str]) -> Value {
    let mut fields = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), Value::String(decode(value)));
        if !lists.contains(&name.as_str()) {
            fields.insert(name, value);
        } else if let Value::Array(values) = fields.entry(name).or_insert_with(|| Value::from([0; 0])) {
            values.push(value);
        }
    }
    Value::Object(fields)
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_lists_repeat() {
        let query = "types=image&limit=1&types=voice+over&limit=2&x=%41";
        let expected = json!({ "types": ["image", "voice over"], "limit": "2", "x": "A" });
        assert_eq!(parse(query, &["types"]), expected);
    }
}
