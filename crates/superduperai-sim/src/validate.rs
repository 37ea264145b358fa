//! Checks of ill-typed input, worded and shaped as pydantic words them: `type`, `loc`, `msg`, `input`.
//!
//! Lax where pydantic is lax: a string of digits is an integer, an integer is a number, unknown fields are ignored.

use std::{cell::RefCell, ops::RangeInclusive};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::detail::Refusal;

/// The problems found so far; all of a request are reported at once.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<Value>>);

/// One value and where it was found.
#[derive(Clone, Debug)]
pub(crate) struct Slot<'a> {
    value: &'a Value,
    loc: Vec<Value>,
    problems: &'a Problems,
}

/// An object whose fields are being read.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    whole: &'a Value,
    fields: &'a Map<String, Value>,
    loc: Vec<Value>,
    problems: &'a Problems,
}

impl Problems {
    /// Where a request's reading starts: `root` is `body`, `query` or `path`.
    pub(crate) fn slot<'a>(&'a self, root: &str, value: &'a Value) -> Slot<'a> {
        Slot { value, loc: vec![root.into()], problems: self }
    }

    /// What was read, unless there were problems.
    pub(crate) fn settle<T>(self, read: Option<T>) -> Result<T, Refusal> {
        let problems = self.0.into_inner();
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            _ => Err(Refusal::unprocessable(problems)),
        }
    }

    fn push(&self, kind: &str, loc: &[Value], msg: &str, input: &Value, ctx: Option<Value>) {
        let mut problem = json!({ "type": kind, "loc": loc, "msg": msg, "input": input });
        if let Some(ctx) = ctx {
            problem["ctx"] = ctx;
        }
        self.0.borrow_mut().push(problem);
    }
}

impl<'a> Object<'a> {
    pub(crate) fn required(&self, name: &str) -> Option<Slot<'a>> {
        let slot = self.fields.get(name).map(|value| self.at(name, value));
        if slot.is_none() {
            let loc = [&self.loc[..], &[name.into()]].concat();
            self.problems.push("missing", &loc, "Field required", self.whole, None);
        }
        slot
    }

    /// A field that may be missing or null, which mean the same.
    pub(crate) fn optional(&self, name: &str) -> Option<Slot<'a>> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(self.at(name, value))
    }

    fn at(&self, name: &str, value: &'a Value) -> Slot<'a> {
        Slot { value, loc: [&self.loc[..], &[name.into()]].concat(), problems: self.problems }
    }
}

impl<'a> Slot<'a> {
    pub(crate) fn object(self) -> Option<Object<'a>> {
        let Some(fields) = self.value.as_object() else {
            let msg = "Input should be a valid dictionary or object to extract fields from";
            return self.refuse("model_attributes_type", msg);
        };
        Some(Object { whole: self.value, fields, loc: self.loc, problems: self.problems })
    }

    pub(crate) fn text(self) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text.clone()),
            _ => self.refuse("string_type", "Input should be a valid string"),
        }
    }

    pub(crate) fn int(self) -> Option<i64> {
        match self.value {
            Value::Bool(one) => Some(i64::from(*one)),
            Value::Number(_) => self.whole_number(),
            Value::String(text) => match text.trim().parse() {
                Ok(number) => Some(number),
                Err(_) => {
                    self.refuse("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
                }
            },
            _ => self.refuse("int_type", "Input should be a valid integer"),
        }
    }

    pub(crate) fn int_within(self, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.clone().int()?;
        if number < *range.start() {
            let ge = *range.start();
            let msg = format!("Input should be greater than or equal to {ge}");
            return self.refuse_with("greater_than_equal", &msg, json!({ "ge": ge }));
        }
        if number > *range.end() {
            let le = *range.end();
            let msg = format!("Input should be less than or equal to {le}");
            return self.refuse_with("less_than_equal", &msg, json!({ "le": le }));
        }
        Some(number)
    }

    pub(crate) fn number(self) -> Option<f64> {
        match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Some(number),
                _ => self.refuse("float_parsing", "Input should be a valid number, unable to parse string as a number"),
            },
            _ => self.refuse("float_type", "Input should be a valid number"),
        }
    }

    pub(crate) fn uuid(self) -> Option<Uuid> {
        let Value::String(text) = self.value else {
            let msg = "UUID input should be a string, bytes or UUID object";
            return self.refuse("uuid_type", msg);
        };
        match Uuid::parse_str(text) {
            Ok(id) => Some(id),
            Err(err) => {
                let msg = format!("Input should be a valid UUID, {err}");
                self.refuse_with("uuid_parsing", &msg, json!({ "error": err.to_string() }))
            }
        }
    }

    /// One of an enumeration's labels.
    pub(crate) fn label(self, labels: &[&'static str]) -> Option<&'static str> {
        let given = self.value.as_str();
        if let Some(label) = labels.iter().find(|label| given == Some(**label)) {
            return Some(label);
        }
        let expected = in_words(labels);
        let msg = format!("Input should be {expected}");
        self.refuse_with("enum", &msg, json!({ "expected": expected }))
    }

    pub(crate) fn items(self) -> Option<Vec<Slot<'a>>> {
        let Value::Array(items) = self.value else {
            return self.refuse("list_type", "Input should be a valid list");
        };
        let at = |(index, value): (usize, &'a Value)| Slot {
            value,
            loc: [&self.loc[..], &[index.into()]].concat(),
            problems: self.problems,
        };
        Some(items.iter().enumerate().map(at).collect())
    }

    fn whole_number(self) -> Option<i64> {
        let float = self.value.as_f64().unwrap_or_default();
        let whole = match self.value.as_i64() {
            // Every float of this size has its integer.
            None if float.fract() == 0.0 && float.abs() < 9e15 => Some(float as i64),
            exact => exact,
        };
        if let Some(number) = whole {
            return Some(number);
        }
        if float.fract() == 0.0 {
            let msg = "Unable to parse input string as an integer, exceeded maximum size";
            return self.refuse("int_parsing_size", msg);
        }
        let msg = "Input should be a valid integer, got a number with a fractional part";
        self.refuse("int_from_float", msg)
    }

    fn refuse<T>(self, kind: &str, msg: &str) -> Option<T> {
        self.problems.push(kind, &self.loc, msg, self.value, None);
        None
    }

    fn refuse_with<T>(self, kind: &str, msg: &str, ctx: Value) -> Option<T> {
        let Self { value, loc, problems } = self;
        problems.push(kind, &loc, msg, value, Some(ctx));
        None
    }
}

/// `'a', 'b' or 'c'`
fn in_words(labels: &[&str]) -> String {
    let quoted: Vec<String> = labels.iter().map(|label| format!("'{label}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(problems: &Problems) -> Vec<String> {
        let problems = problems.0.borrow();
        problems.iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect()
    }

    fn int(value: Value) -> (Option<i64>, Vec<String>) {
        let problems = Problems::default();
        let read = problems.slot("body", &value).int();
        (read, kinds(&problems))
    }

    #[test]
    fn integers_are_read_laxly() {
        assert_eq!(int(json!(99_999_999_999_999_i64)).0, Some(99_999_999_999_999));
        assert_eq!(int(json!("1920")).0, Some(1920));
        assert_eq!(int(json!(5.0)).0, Some(5));
        assert_eq!(int(json!("wide")).1, ["int_parsing"]);
        assert_eq!(int(json!(1.5)).1, ["int_from_float"]);
        assert_eq!(int(json!([])).1, ["int_type"]);
        assert_eq!(int(json!(u64::MAX)).1, ["int_parsing_size"]);
    }

    #[test]
    fn a_missing_field_carries_the_object_it_is_missing_in() {
        let problems = Problems::default();
        let body = json!({ "config": { "prompt": "x" } });
        let config = problems.slot("body", &body).object().unwrap();
        let config = config.required("config").unwrap().object().unwrap();
        assert!(config.required("generation_config_name").is_none());
        assert_eq!(
            problems.0.into_inner(),
            [json!({
                "type": "missing", "loc": ["body", "config", "generation_config_name"],
                "msg": "Field required", "input": { "prompt": "x" },
            })]
        );
    }

    #[test]
    fn numbers_and_ids_say_what_is_wrong_with_them() {
        let problems = Problems::default();
        let [word, list] = [json!("x"), json!([])];
        assert_eq!(problems.slot("query", &word).number(), None);
        assert_eq!(problems.slot("query", &list).number(), None);
        assert_eq!(problems.slot("query", &word).uuid(), None);
        assert_eq!(problems.slot("query", &list).uuid(), None);
        let expected = ["float_parsing", "float_type", "uuid_parsing", "uuid_type"];
        assert_eq!(kinds(&problems), expected);
    }

    #[test]
    fn choices_are_listed_in_words() {
        assert_eq!(in_words(&["a", "b", "c"]), "'a', 'b' or 'c'");
        assert_eq!(in_words(&["a"]), "'a'");
    }
}
