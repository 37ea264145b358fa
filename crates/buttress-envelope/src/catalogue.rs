use std::borrow::Cow;

use buttress_core::{Problem, ProblemCode};
use http::StatusCode;
use serde_json::{Value, json};

/// One kind of failure: its code, the status it comes with, whether trying again may help, and what it means.
///
/// Made by [`codes!`](crate::codes), where a bad name, a status that is no failure, and a code that is there twice do
/// not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    code: ProblemCode,
    status: u16,
    retryable: bool,
    meaning: &'static str,
}

impl Code {
    /// A kind of failure, checked where it is written.
    ///
    /// # Panics
    ///
    /// When the name is no [`ProblemCode`], or the status is not 400 to 599: in a `const`, an error of the compiler.
    #[must_use]
    pub const fn new(name: &'static str, status: u16, retryable: bool, meaning: &'static str) -> Self {
        assert!(status >= 400 && status <= 599, "a failure has a status of 400 to 599");
        Self { code: ProblemCode::new(name), status, retryable, meaning }
    }

    /// The stable name that programs go by.
    #[must_use]
    pub const fn code(self) -> ProblemCode {
        self.code
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("400 to 599 was checked by the constructor")
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        self.retryable
    }

    /// What it means, for the reader of the catalogue.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.meaning.trim()
    }

    /// A problem of this kind. The message is shown to the caller.
    #[must_use]
    pub fn problem(self, message: impl Into<Cow<'static, str>>) -> Problem {
        let problem = Problem::new(self.status(), self.code, message);
        if self.retryable { problem.may_retry() } else { problem }
    }

    fn to_value(self) -> Value {
        json!({
            "code": self.code.as_str(), "status": self.status, "retryable": self.retryable, "meaning": self.meaning(),
        })
    }
}

/// Every code that a server may answer with, from all its parts, each there once.
///
/// # Examples
///
/// ```
/// use buttress_envelope::{Catalogue, HTTP_CODES, codes};
///
/// codes! {
///     /// What the till says.
///     pub const TILL_CODES;
///     /// The basket is empty.
///     BASKET_EMPTY = "basket_empty", 409;
///     /// All tills are taken.
///     TILL_BUSY = "till_busy", 503, retryable;
/// }
///
/// // A code that two parts claim is an error of the compiler.
/// const ALL: Catalogue = Catalogue::new(&[HTTP_CODES, TILL_CODES]);
///
/// assert_eq!(ALL.find("till_busy").map(|code| code.retryable()), Some(true));
/// assert!(ALL.to_json().as_array().is_some_and(|codes| codes.len() > 20));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    parts: &'static [&'static [Code]],
}

impl Catalogue {
    /// Puts the codes of several parts together.
    ///
    /// # Panics
    ///
    /// When a code is there twice: in a `const`, an error of the compiler.
    #[must_use]
    pub const fn new(parts: &'static [&'static [Code]]) -> Self {
        let mut part = 0;
        while part < parts.len() {
            let mut other = part;
            while other < parts.len() {
                assert!(disjoint(parts[part], parts[other], part == other), "a code is there twice");
                other += 1;
            }
            part += 1;
        }
        Self { parts }
    }

    /// All codes, in the order of their parts.
    pub fn iter(self) -> impl Iterator<Item = Code> {
        self.parts.iter().flat_map(|part| part.iter().copied())
    }

    /// The entry of a code.
    #[must_use]
    pub fn find(self, code: &str) -> Option<Code> {
        self.iter().find(|entry| entry.code.as_str() == code)
    }

    /// The catalogue as JSON: a list of `{code, status, retryable, meaning}`.
    #[must_use]
    pub fn to_json(self) -> Value {
        self.iter().map(Code::to_value).collect()
    }
}

/// Whether no code of `a` is in `b`; of one list with itself, whether no code is there twice.
const fn disjoint(a: &[Code], b: &[Code], same: bool) -> bool {
    let mut i = 0;
    while i < a.len() {
        let mut j = if same { i + 1 } else { 0 };
        while j < b.len() {
            if equal(a[i].code.as_str().as_bytes(), b[j].code.as_str().as_bytes()) {
                return false;
            }
            j += 1;
        }
        i += 1;
    }
    true
}

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// Declares kinds of failure: a constant of type [`Code`](crate::Code) for each, and the list of them all.
///
/// The comment above a code is its meaning in the catalogue. See [`Catalogue`](crate::Catalogue) for an example.
///
/// ```compile_fail
/// buttress_envelope::codes! {
///     /// A code that is there twice.
///     pub const TWICE;
///     /// One.
///     ONE = "the_same", 400;
///     /// Two.
///     TWO = "the_same", 409;
/// }
/// ```
#[macro_export]
macro_rules! codes {
    (
        $(#[$about:meta])* $vis:vis const $list:ident;
        $($(#[doc = $meaning:literal])+ $name:ident = $code:literal, $status:literal $(, $retryable:ident)?;)+
    ) => {
        $($(#[doc = $meaning])+ $vis const $name: $crate::Code =
            $crate::Code::new($code, $status, $crate::codes!(@ $($retryable)?), concat!($($meaning),+));)+

        $(#[$about])*
        $vis const $list: &[$crate::Code] = &[$($name),+];

        const _: $crate::Catalogue = $crate::Catalogue::new(&[$list]);
    };
    (@ retryable) => { true };
    (@) => { false };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HTTP_CODES, INTERNAL};

    // ENV-2
    #[test]
    #[should_panic(expected = "there twice")]
    fn a_code_of_two_parts_is_refused() {
        let _ = Catalogue::new(&[HTTP_CODES, &[INTERNAL]]);
    }

    #[test]
    #[should_panic(expected = "there twice")]
    fn a_code_that_is_twice_in_one_part_is_refused() {
        let _ = Catalogue::new(&[&[INTERNAL, INTERNAL]]);
    }

    #[test]
    #[should_panic(expected = "400 to 599")]
    fn a_status_that_is_no_failure_is_refused() {
        let _ = Code::new("fine", 200, false, "");
    }

    #[test]
    fn the_catalogue_tells_code_status_retryable_and_meaning() {
        let all = Catalogue::new(&[HTTP_CODES]).to_json();
        let unavailable = all.as_array().unwrap().iter().find(|code| code["code"] == "unavailable").unwrap();
        assert_eq!((unavailable["status"].as_u64(), unavailable["retryable"].as_bool()), (Some(503), Some(true)));
        assert!(unavailable["meaning"].as_str().is_some_and(|text| !text.is_empty() && text.trim() == text));
    }
}
