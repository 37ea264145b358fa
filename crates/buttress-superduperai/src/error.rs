//! Answers and their absence, turned into what callers act on.

use std::{error::Error, fmt, io};

use buttress_core::{FieldProblem, Problem};
use buttress_provider::{ProviderError, ProviderErrorKind as Kind};
use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{
    BoxError,
    answer::{Answer, BodyFault, Cause, NoAnswer, Refusal},
};

/// Marks an error after which the request provably never left this machine.
///
/// A create call that failed is looked up at the provider before anything else, unless this is among the sources of
/// its error. `Transport` tells failed connects apart by itself; a service of your own can mark its errors with this.
///
/// # Examples
///
/// ```
/// use buttress_superduperai::NotSent;
///
/// let error = NotSent::new("no free connection");
/// assert_eq!(error.to_string(), "the request was not sent");
/// ```
#[derive(Debug, Error)]
#[error("the request was not sent")]
pub struct NotSent(#[source] BoxError);

impl NotSent {
    /// Marks a cause.
    #[must_use]
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

/// A layer between the adapter and the network refused a call: the source of the error that the caller gets.
///
/// An open circuit breaker or a throttle answers in the provider's place, with a [`Problem`] in the extensions of its
/// response.
#[derive(Debug, Error)]
#[error("refused on this side: {}", .0.code())]
pub struct LocalRefusal(Problem);

impl LocalRefusal {
    /// What the layer said.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}

/// Whether an error proves that nothing was sent.
pub(crate) fn never_left(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| {
        // What an I/O error carries is not among its sources.
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        proves_it(error) || carried.is_some_and(|carried| never_left(carried))
    })
}

#[cfg(feature = "transport")]
fn proves_it(error: &(dyn Error + 'static)) -> bool {
    use hyper_util::client::legacy;
    error.is::<NotSent>() || error.downcast_ref().is_some_and(legacy::Error::is_connect)
}

#[cfg(not(feature = "transport"))]
fn proves_it(error: &(dyn Error + 'static)) -> bool {
    error.is::<NotSent>()
}

/// Whether a try beneath had no answer in time.
#[cfg(feature = "stack")]
fn timed_out(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<crate::tries::TimedOut>())
}

#[cfg(not(feature = "stack"))]
fn timed_out(_: &(dyn Error + 'static)) -> bool {
    false
}

/// What a call was for, as far as its refusal depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    Create(&'a Given),
    Status,
    Upload,
    Other,
}

/// What the caller of a create call set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) fields: Vec<&'static str>,
    /// The model is for accounts of a higher plan.
    pub(crate) restricted: bool,
}

impl From<NoAnswer> for ProviderError {
    fn from(none: NoAnswer) -> Self {
        match none.cause {
            Cause::TimedOut => Self::new(Kind::Timeout, TOO_LATE),
            Cause::Failed(error) if timed_out(&*error) => Self::new(Kind::Timeout, TOO_LATE).with_source(error),
            Cause::Failed(error) => Self::new(Kind::Unavailable, "the provider cannot be reached").with_source(error),
        }
    }
}

impl From<BodyFault> for ProviderError {
    fn from(fault: BodyFault) -> Self {
        let message = fault.to_string();
        match fault {
            BodyFault::TooLarge => Self::new(Kind::Decode, NOT_UNDERSTOOD).with_source(message),
            BodyFault::TimedOut => Self::new(Kind::Timeout, TOO_LATE).with_source(message),
            BodyFault::Broken(error) if timed_out(&*error) => Self::new(Kind::Timeout, TOO_LATE).with_source(error),
            BodyFault::Broken(error) => {
                Self::new(Kind::Unavailable, "the provider's answer broke off").with_source(error)
            }
        }
    }
}

/// The outcome of a call that has no effect: a value of the expected shape, or an error.
pub(crate) fn expect<T: DeserializeOwned>(
    outcome: Result<Answer, NoAnswer>,
    asked: Asked<'_>,
) -> Result<T, ProviderError> {
    match outcome? {
        Answer::Success(body) => decode(body),
        Answer::Refusal(refusal) => Err(refusal.into_error(asked)),
    }
}

pub(crate) fn decode<T: DeserializeOwned>(body: Result<Bytes, BodyFault>) -> Result<T, ProviderError> {
    serde_json::from_slice(&body?).map_err(|error| not_understood(NotUnderstood::new(&error)))
}

pub(crate) fn not_understood(why: impl Into<BoxError>) -> ProviderError {
    ProviderError::new(Kind::Decode, NOT_UNDERSTOOD).with_source(why)
}

impl Refusal {
    pub(crate) fn into_error(self, asked: Asked<'_>) -> ProviderError {
        let (status, delay, local) = (self.status, self.delay, self.local.clone());
        let error = match status.as_u16() {
            401 => unauthorized(),
            402 => no_credit(asked),
            403 => forbidden(asked),
            404 | 410 if matches!(asked, Asked::Status) => {
                ProviderError::new(Kind::NotFound, "the provider knows no such job")
            }
            404 if matches!(asked, Asked::Create(_)) => self.blaming("model", "is not known to the provider"),
            409 => self.conflict(asked),
            429 => ProviderError::new(Kind::RateLimited, "the provider asks to slow down"),
            // 522 and 524 are the edge's words for a provider that does not answer.
            408 | 504 | 522 | 524 => ProviderError::new(Kind::Timeout, TOO_LATE),
            400..=499 => self.rejected(asked),
            500..=599 => ProviderError::new(Kind::Unavailable, "the provider is not available"),
            _ => ProviderError::new(Kind::Decode, NOT_UNDERSTOOD),
        };
        let error = delay.into_iter().fold(error, ProviderError::with_delay);
        match local {
            Some(problem) => error.with_source(LocalRefusal(problem)),
            None => error.with_source(Status(status)),
        }
    }

    fn rejected(self, asked: Asked<'_>) -> ProviderError {
        let message = self.message();
        let fields = match asked {
            Asked::Create(given) => self.detail.fields(&given.fields),
            Asked::Upload => vec![FieldProblem::new("file", "is not accepted by the provider")],
            Asked::Status | Asked::Other => Vec::new(),
        };
        ProviderError::new(Kind::Rejected, message).with_fields(fields)
    }

    fn conflict(self, asked: Asked<'_>) -> ProviderError {
        match asked {
            Asked::Create(given) if given.fields.contains(&"references") => {
                self.blaming("references", "name a file that the provider does not have")
            }
            _ => self.rejected(Asked::Other),
        }
    }

    fn blaming(self, field: &'static str, problem: &'static str) -> ProviderError {
        ProviderError::new(Kind::Rejected, self.message()).with_fields(vec![FieldProblem::new(field, problem)])
    }

    fn message(&self) -> String {
        match self.detail.text() {
            Some(text) => format!("the provider refused the request ({text})"),
            None => "the provider refused the request".into(),
        }
    }
}

fn unauthorized() -> ProviderError {
    ProviderError::new(Kind::Unauthorized, "the provider does not accept our credentials")
}

fn no_credit(asked: Asked<'_>) -> ProviderError {
    let message = match asked {
        Asked::Create(Given { restricted: true, .. }) => {
            "our account has too little credit, or not the plan that the model needs"
        }
        _ => "our account at the provider has too little credit",
    };
    ProviderError::new(Kind::InsufficientCredit, message)
}

/// A model kept for a higher plan says nothing against the token.
fn forbidden(asked: Asked<'_>) -> ProviderError {
    match asked {
        Asked::Create(Given { restricted: true, .. }) => {
            let field = FieldProblem::new("model", "needs a higher plan than our account at the provider has");
            ProviderError::new(Kind::Rejected, "the provider refused the model").with_fields(vec![field])
        }
        _ => unauthorized(),
    }
}

const TOO_LATE: &str = "the provider did not answer in time";
const NOT_UNDERSTOOD: &str = "the provider's answer is not understood";

/// For the log: what the provider answered.
#[derive(Debug)]
struct Status(StatusCode);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.0.as_u16())
    }
}

impl Error for Status {}

/// For the log: where the JSON was not as expected, without a word of what it said.
#[derive(Debug, Error)]
#[error("{what} at line {line}, column {column}")]
struct NotUnderstood {
    what: &'static str,
    line: usize,
    column: usize,
}

impl NotUnderstood {
    fn new(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        let what = match error.classify() {
            Category::Io | Category::Syntax => "no JSON",
            Category::Data => "JSON of another shape",
            Category::Eof => "JSON that ends too early",
        };
        Self { what, line: error.line(), column: error.column() }
    }
}
