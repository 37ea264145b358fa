use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A text that cannot be an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an id is 1 to 128 of the characters A-Z a-z 0-9 _ -")]
pub struct InvalidId(());

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 128 of `A-Za-z0-9_-`, so that it can stand in a path, a channel name or a log line as it is.
        /// A clone shares its text.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// # Errors
        ///
        /// When the text is empty, longer than 128 bytes or holds anything but `A-Za-z0-9_-`.
        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type! {
    /// Names a job at its provider.
    JobId
}
id_type! {
    /// Names what a job made.
    ArtifactId
}
id_type! {
    /// Names a file at the provider that a request can refer to: an upload, or what an earlier job made.
    FileId
}

fn check(text: &str) -> Result<(), InvalidId> {
    let length_fits = (1..=128).contains(&text.len());
    let alphabet_fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if length_fits && alphabet_fits { Ok(()) } else { Err(InvalidId(())) }
}

impl From<JobId> for ArtifactId {
    /// For providers whose jobs make one artifact under the same id.
    fn from(id: JobId) -> Self {
        Self(id.0)
    }
}

impl From<JobId> for FileId {
    /// For providers whose finished jobs can be referred to as files.
    fn from(id: JobId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_never_change_a_path() {
        for bad in ["", "a/b", "..", "a?b", "a#b", "a%2f", "a b", "ä", &"x".repeat(129)] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
        assert_eq!("0d5b1c8e-4f0a-4b52".parse::<JobId>().unwrap().as_str(), "0d5b1c8e-4f0a-4b52");
    }

    #[test]
    fn ids_are_checked_when_they_are_read_from_json() {
        assert!(serde_json::from_str::<FileId>(r#""../x""#).is_err());
        assert_eq!(serde_json::to_string(&"ok".parse::<FileId>().unwrap()).unwrap(), r#""ok""#);
    }
}
