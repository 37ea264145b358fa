use std::{error::Error, fmt};

/// One variable, what is wrong with it, and how it would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The variable.
    pub name: String,
    /// What is wrong. Never holds the value of a secret.
    pub problem: String,
    /// A value that would do, where one helps.
    pub example: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)?;
        match &self.example {
            Some(example) => write!(f, "; for example {}={example}", self.name),
            None => Ok(()),
        }
    }
}

/// All that is wrong with the settings, in the order in which they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<Fault>,
}

impl ConfigError {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { faults }
    }

    /// The faults, at least one.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.faults.len() == 1 { "setting is" } else { "settings are" };
        write!(f, "{} {plural} wrong", self.faults.len())?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl Error for ConfigError {}
