use std::{num::NonZeroU32, time::Duration};

use buttress_circuit_breaker::{BreakerLayer, InvalidPolicy, Policy, Window};
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

/// When the circuit breaker of the provider opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// `BREAKER_FAILURE_RATIO`: the share of failures that opens it.
    pub failure_ratio: f64,
    /// `BREAKER_WINDOW`: calls of so long are looked at.
    pub window: Duration,
    /// `BREAKER_MIN_CALLS`: nothing is judged by fewer calls.
    pub min_calls: u32,
    /// `BREAKER_COOL_DOWN`: how long it stays open.
    pub cool_down: Duration,
    /// `BREAKER_TRIALS`: how many calls then show whether the provider is back.
    pub trials: u32,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let [window, cool_down] = [30, 10].map(Duration::from_secs);
        Self { failure_ratio: 0.5, window, min_calls: 20, cool_down, trials: 3 }
    }
}

impl BreakerSettings {
    /// `None` with `BREAKER=off`.
    pub(crate) fn read(env: &mut Env) -> Option<Self> {
        let mut settings = Self::default();
        let on = env.read("BREAKER", "off", parse::switch).unwrap_or(true);
        // Read in any case: what is wrong is told, also of a breaker that is off.
        if let Some(ratio) = env.read("BREAKER_FAILURE_RATIO", "0.5", ratio) {
            settings.failure_ratio = ratio;
        }
        let time = |least| parse::duration_in(least..=HOUR);
        settings.window = env.read("BREAKER_WINDOW", "30s", time(100 * MILLISECOND)).unwrap_or(settings.window);
        let number = |most| parse::number_in(1..=most);
        settings.min_calls = env.read("BREAKER_MIN_CALLS", "20", number(10_000)).unwrap_or(settings.min_calls);
        settings.cool_down = env.read("BREAKER_COOL_DOWN", "10s", time(10 * MILLISECOND)).unwrap_or(settings.cool_down);
        settings.trials = env.read("BREAKER_TRIALS", "3", number(1_000)).unwrap_or(settings.trials);
        on.then_some(settings)
    }

    pub(crate) fn layer(&self) -> Result<BreakerLayer, InvalidPolicy> {
        let policy = Policy::new(Window::time(self.window))
            .failure_rate(self.failure_ratio)
            .minimum_calls(self.min_calls)
            .open_for(self.cool_down)
            .trials(self.trials);
        BreakerLayer::new("superduperai", policy)
    }
}

/// More than nothing, and at most all.
fn ratio(text: &str) -> Result<f64, &'static str> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| *ratio > 0.0 && *ratio <= 1.0);
    ratio.ok_or("it is a number above 0 and up to 1")
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
                let cap = humantime::format_duration(cap).to_string();
                env.fault("RETRY_BASE", "is longer than RETRY_CAP, up to which it grows", Some(&cap));
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
    fn a_breaker_is_there_unless_it_is_off() {
        let read = |variables: &[(&str, &str)]| BreakerSettings::read(&mut Env::of(variables.iter().copied()));
        assert_eq!(read(&[]), Some(BreakerSettings::default()));
        assert_eq!(read(&[("BREAKER", "off"), ("BREAKER_TRIALS", "1")]), None);
        let set = read(&[("BREAKER", "on"), ("BREAKER_FAILURE_RATIO", "0.9"), ("BREAKER_COOL_DOWN", "1s")]).unwrap();
        assert_eq!((set.failure_ratio, set.cool_down.as_secs(), set.trials), (0.9, 1, 3));
        assert!(set.layer().is_ok());
    }

    #[test]
    fn the_least_and_the_most_that_is_taken_makes_a_breaker() {
        for [window, min_calls, cool_down, trials, ratio] in
            [["100ms", "1", "10ms", "1", "0.000001"], ["1h", "10000", "1h", "1000", "1"]]
        {
            let mut env = Env::of([
                ("BREAKER_WINDOW", window),
                ("BREAKER_MIN_CALLS", min_calls),
                ("BREAKER_COOL_DOWN", cool_down),
                ("BREAKER_TRIALS", trials),
                ("BREAKER_FAILURE_RATIO", ratio),
            ]);
            let settings = BreakerSettings::read(&mut env).unwrap();
            env.finish().unwrap();
            assert!(settings.layer().is_ok(), "{settings:?}");
        }
    }

    #[test]
    fn a_breaker_that_makes_no_sense_is_refused_even_if_it_is_off() {
        for (name, value) in [
            ("BREAKER", "maybe"),
            ("BREAKER_FAILURE_RATIO", "0"),
            ("BREAKER_FAILURE_RATIO", "1.5"),
            ("BREAKER_FAILURE_RATIO", "NaN"),
            ("BREAKER_WINDOW", "99ms"),
            ("BREAKER_MIN_CALLS", "0"),
            ("BREAKER_COOL_DOWN", "10"),
            ("BREAKER_TRIALS", "0"),
            ("BREAKER_TRIALS", "1001"),
        ] {
            let mut env = Env::of([("BREAKER", "off"), (name, value)]);
            let _ = BreakerSettings::read(&mut env);
            assert!(env.finish().unwrap_err().to_string().contains(&format!("{name}: ")), "{name} {value}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_variable() {
        for (name, value) in
            [("RETRY_ATTEMPTS", "0"), ("RETRY_ATTEMPTS", "11"), ("RETRY_BASE", "0s"), ("RETRY_CAP", "5")]
        {
            assert!(read(&[(name, value)]).unwrap_err().contains(&format!("{name}: ")), "{name} {value}");
        }
        let error = read(&[("RETRY_BASE", "2s"), ("RETRY_CAP", "1ms")]).unwrap_err();
        assert!(error.contains("RETRY_BASE: is longer") && error.ends_with("for example RETRY_BASE=1ms"), "{error}");
    }
}
