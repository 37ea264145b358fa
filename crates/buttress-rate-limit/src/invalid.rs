use std::{error::Error, fmt, time::Duration};

use crate::{Limit, MOST_LIMITS, value::LONGEST_NAME};

/// Limits that cannot be used together, or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidLimits(Why);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    None,
    TooMany(usize),
    Name(&'static str),
    Twice(&'static str),
    NoTime(&'static str),
}

impl InvalidLimits {
    pub(crate) fn check(limits: &[Limit]) -> Result<(), Self> {
        if limits.is_empty() {
            return Err(Self(Why::None));
        }
        if limits.len() > MOST_LIMITS {
            return Err(Self(Why::TooMany(limits.len())));
        }
        for (i, limit) in limits.iter().enumerate() {
            let name = limit.name;
            let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if name.is_empty() || name.len() > LONGEST_NAME || !fits {
                return Err(Self(Why::Name(name)));
            }
            if limits[..i].iter().any(|other| other.name == name) {
                return Err(Self(Why::Twice(name)));
            }
            if limit.time_out == Duration::ZERO {
                return Err(Self(Why::NoTime(name)));
            }
        }
        Ok(())
    }
}

impl fmt::Display for InvalidLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Why::None => f.write_str("a layer without limits does nothing"),
            Why::TooMany(count) => write!(f, "{count} limits are more than the {MOST_LIMITS} of one decision"),
            Why::Name(name) => {
                write!(
                    f,
                    "{name:?} is no name of a limit: 1 to {LONGEST_NAME} letters, digits, dots, dashes or underscores"
                )
            }
            Why::Twice(name) => write!(f, "two limits are called {name:?}"),
            Why::NoTime(name) => write!(f, "the limit {name:?} gives its store no time at all"),
        }
    }
}

impl Error for InvalidLimits {}
