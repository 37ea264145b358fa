use std::{collections::BTreeMap, ffi::OsString, fmt};

use secrecy::SecretString;

use crate::{ConfigError, Fault};

/// The longest part of a bad value that is shown.
const SHOWN: usize = 60;

/// Reads settings from environment variables and collects every fault on the way.
///
/// Each `read` gives `None` for a variable that is not set and for one that is wrong, so that a default can stand in
/// and reading goes on; [`Env::finish`] then tells all faults at once. A variable that is set to nothing is a fault.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
/// use buttress_config::{Env, parse};
///
/// let mut env = Env::of([("BIND", "localhost"), ("GRACE", "soon")]);
/// let bind = env.read("BIND", "127.0.0.1:3000", str::parse::<SocketAddr>);
/// let grace = env.read("GRACE", "10s", parse::duration);
/// assert!(bind.is_none() && grace.is_none());
///
/// let error = env.finish().expect_err("both are wrong");
/// assert_eq!(error.faults().len(), 2);
/// assert!(error.to_string().contains("for example BIND=127.0.0.1:3000"));
/// ```
pub struct Env {
    variables: BTreeMap<String, OsString>,
    faults: Vec<Fault>,
}

impl Env {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        // A name that is no text is none of ours.
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self { variables: named.collect(), faults: Vec::new() }
    }

    /// The given variables, for tests and for settings from elsewhere.
    #[must_use]
    pub fn of<N: Into<String>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, faults: Vec::new() }
    }

    /// Whether a variable is set, rightly or not.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// Reads one variable. A fault shows the bad value.
    pub fn read<T, E: fmt::Display>(
        &mut self,
        name: &str,
        example: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name, example)?;
        let outcome = parse(&text).map_err(|error| format!("{} is no good: {error}", shown(&text)));
        self.note(name, example, outcome)
    }

    /// Reads one variable that holds a secret: its value is shown nowhere, so `parse` must not put it into its error.
    pub fn read_secret<T, E: fmt::Display>(
        &mut self,
        name: &str,
        example: &str,
        parse: impl FnOnce(SecretString) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name, example)?;
        let outcome = parse(text.into()).map_err(|error| error.to_string());
        self.note(name, example, outcome)
    }

    /// Notes a fault that shows only when several settings are looked at together.
    pub fn fault(&mut self, name: &str, problem: impl Into<String>, example: Option<&str>) {
        self.faults.push(Fault { name: name.into(), problem: problem.into(), example: example.map(str::to_owned) });
    }

    /// Refuses a variable, if it is set, instead of ignoring it.
    pub fn refuse(&mut self, name: &str, why: &str) {
        if self.is_set(name) {
            self.fault(name, why, None);
        }
    }

    /// # Errors
    ///
    /// All faults that were met.
    pub fn finish(self) -> Result<(), ConfigError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ConfigError::new(self.faults)) }
    }

    fn text(&mut self, name: &str, example: &str) -> Option<String> {
        let problem = match self.variables.get(name)?.to_str() {
            Some("") => "is empty: give it a value or unset it",
            Some(text) => return Some(text.to_owned()),
            None => "is no valid UTF-8",
        };
        self.fault(name, problem, Some(example));
        None
    }

    fn note<T>(&mut self, name: &str, example: &str, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|problem| self.fault(name, problem, Some(example))).ok()
    }
}

/// Names only: any value may be a secret.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("faults", &self.faults).finish_non_exhaustive()
    }
}

/// The value as one short line, without control characters.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", cut.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    #[test]
    fn every_fault_is_reported_and_good_values_are_kept() {
        let mut env = Env::of([("A", "1"), ("B", "x"), ("C", ""), ("D", "9")]);
        let read = |env: &mut Env, name| env.read(name, "7", str::parse::<u8>);
        assert_eq!(["A", "B", "C", "D", "E"].map(|name| read(&mut env, name)), [Some(1), None, None, Some(9), None]);
        env.refuse("D", "cannot be set here");
        env.refuse("E", "cannot be set here");
        let text = env.finish().unwrap_err().to_string();
        assert_eq!(
            text,
            "3 settings are wrong\n  \
             B: `x` is no good: invalid digit found in string; for example B=7\n  \
             C: is empty: give it a value or unset it; for example C=7\n  \
             D: cannot be set here"
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        let mut env = Env::of([("TOKEN", "hunter2-hunter2")]);
        let debug = format!("{env:?}");
        let secret: Option<()> = env.read_secret("TOKEN", "0123…", |_| Err("is too short"));
        assert!(secret.is_none());
        let error = env.finish().unwrap_err();
        for text in [debug, error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_long_or_odd_value_stays_one_short_line() {
        let mut env = Env::of([("A", format!("1\n\u{1b}[31m{}", "x".repeat(500)))]);
        env.read("A", "10s", parse::duration);
        let error = env.finish().unwrap_err();
        let problem = &error.faults()[0].problem;
        assert!(problem.len() < 300 && !problem.contains(['\n', '\u{1b}']), "{problem}");
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_a_fault() {
        use std::os::unix::ffi::OsStringExt;
        let mut env = Env::of([("A", OsString::from_vec(vec![0xff]))]);
        assert_eq!(env.read("A", "1", str::parse::<u8>), None);
        assert!(env.finish().is_err());
    }

    #[test]
    fn nothing_set_is_no_fault() {
        let mut env = Env::of::<String, String>([]);
        assert_eq!(env.read("A", "1", str::parse::<u8>), None);
        assert!(env.finish().is_ok());
    }
}
