use std::{num::NonZeroU32, time::Duration};

use buttress_config::{Env, parse};

/// How calls to the provider are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// `RETRY_ATTEMPTS`: tries in all.
    pub attempts: NonZeroU32,
    /// `RETRY_BASE`: the first backoff.
    pub base: Duration,
    /// `RETRY_CAP`: the longest backoff.
    pub cap: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        let attempts = NonZeroU32::new(3).expect("three is not zero");
        Self { attempts, base: Duration::from_millis(200), cap: Duration::from_secs(5) }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

impl RetrySettings {
    pub(crate) fn read(&mut self, env: &mut Env) {
        let attempts = env.read("RETRY_ATTEMPTS", "3", parse::number_in(1..=10));
        self.attempts = attempts.and_then(NonZeroU32::new).unwrap_or(self.attempts);
        let wait = || parse::duration_in(MILLISECOND..=HOUR);
        let base = env.read("RETRY_BASE", "200ms", wait());
        let cap = env.read("RETRY_CAP", "5s", wait());
        match (base, cap) {
            (Some(base), Some(cap)) if base > cap => {
                env.fault("RETRY_BASE", "is longer than RETRY_CAP, up to which it grows", Some("200ms"));
            }
            // Whichever is set stands, and the other one gives way.
            (Some(base), cap) => (self.base, self.cap) = (base, cap.unwrap_or(self.cap.max(base))),
            (None, Some(cap)) => (self.base, self.cap) = (self.base.min(cap), cap),
            (None, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<RetrySettings, String> {
        let mut env = Env::of(variables.iter().copied());
        let mut settings = RetrySettings::default();
        settings.read(&mut env);
        env.finish().map(|()| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_unset_is_the_table_of_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.attempts.get(), settings.base.as_millis(), settings.cap.as_secs()), (3, 200, 5));
    }

    #[test]
    fn what_is_set_stands_and_the_rest_gives_way() {
        let settings = read(&[("RETRY_ATTEMPTS", "1"), ("RETRY_CAP", "50ms")]).unwrap();
        assert_eq!((settings.attempts.get(), settings.base.as_millis(), settings.cap.as_millis()), (1, 50, 50));
        assert_eq!(read(&[("RETRY_BASE", "9s")]).unwrap().cap, Duration::from_secs(9));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_variable() {
        for (name, value) in
            [("RETRY_ATTEMPTS", "0"), ("RETRY_ATTEMPTS", "11"), ("RETRY_BASE", "0s"), ("RETRY_CAP", "5")]
        {
            assert!(read(&[(name, value)]).unwrap_err().contains(&format!("{name}: ")), "{name} {value}");
        }
        assert!(read(&[("RETRY_BASE", "2s"), ("RETRY_CAP", "1s")]).unwrap_err().contains("RETRY_BASE: is longer"));
    }
}
