//! Rates by name, for those who do not want to think of numbers yet.

use std::fmt::Display;

/// A rate limit with a name.
///
/// The rate is text, `60/min burst 20`, and whoever sets it parses it: this crate knows no limiter.
///
/// # Examples
///
/// ```
/// use buttress_config::{Env, presets};
///
/// let mut env = Env::of([("USER_LIMIT", "expensive"), ("IP_LIMIT", "off"), ("IMAGE_LIMIT", "3/min")]);
/// // Any parser will do; a limiter's own, for instance.
/// let parse = |text: &str| Ok::<_, String>(text.to_owned());
/// let read = |env: &mut Env, name| env.read(name, "60/min burst 20", presets::rate(parse));
/// assert_eq!(read(&mut env, "USER_LIMIT"), Some(Some("10/min burst 5".into())));
/// assert_eq!(read(&mut env, "IP_LIMIT"), Some(None));
/// assert_eq!(read(&mut env, "IMAGE_LIMIT"), Some(Some("3/min".into())));
/// assert_eq!(read(&mut env, "VIDEO_LIMIT"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePreset {
    name: &'static str,
    rate: &'static str,
}

/// `per-user`, `60/min burst 20`: what a person at a page needs, with room for a script.
pub const PER_USER: RatePreset = RatePreset { name: "per-user", rate: "60/min burst 20" };

/// `per-ip`, `120/min burst 40`: a few persons behind one address.
pub const PER_IP: RatePreset = RatePreset { name: "per-ip", rate: "120/min burst 40" };

/// `expensive`, `10/min burst 5`: what costs money each time.
pub const EXPENSIVE: RatePreset = RatePreset { name: "expensive", rate: "10/min burst 5" };

/// `provider`, `20/s burst 40`: calls that leave, under the burst cap of a provider.
pub const PROVIDER: RatePreset = RatePreset { name: "provider", rate: "20/s burst 40" };

/// All presets.
pub const ALL: [RatePreset; 4] = [PER_USER, PER_IP, EXPENSIVE, PROVIDER];

impl RatePreset {
    /// Its name, which stands for its rate in settings.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its rate.
    #[must_use]
    pub const fn rate(&self) -> &'static str {
        self.rate
    }
}

/// A rate in the words of `parse`, the name of a preset, or `off`, which is `None`.
pub fn rate<T, E: Display>(parse: impl FnOnce(&str) -> Result<T, E>) -> impl FnOnce(&str) -> Result<Option<T>, String> {
    move |text| {
        if text == "off" {
            return Ok(None);
        }
        some_rate(parse)(text).map(Some).map_err(|error| format!("{error}, or off"))
    }
}

/// A [`rate`] that cannot be `off`.
pub fn some_rate<T, E: Display>(parse: impl FnOnce(&str) -> Result<T, E>) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let preset = ALL.iter().find(|preset| preset.name == text);
        parse(preset.map_or(text, |preset| preset.rate)).map_err(|error| {
            let names: Vec<_> = ALL.iter().map(RatePreset::name).collect();
            format!("{error}, or is one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<u32>, String> {
        rate(|text: &str| text.split('/').next().unwrap_or_default().parse::<u32>())(text)
    }

    #[test]
    fn a_preset_is_documented_with_its_rate() {
        let source = include_str!("presets.rs");
        for RatePreset { name, rate } in ALL {
            assert!(source.contains(&format!("/// `{name}`, `{rate}`: ")), "{name}");
        }
    }

    #[test]
    fn a_preset_is_its_rate_and_off_is_none() {
        assert_eq!((read("provider"), read("off"), read("7/s")), (Ok(Some(20)), Ok(None), Ok(Some(7))));
    }

    #[test]
    fn an_error_says_what_else_there_is() {
        let error = read("cheap").unwrap_err();
        assert!(error.ends_with("or is one of per-user, per-ip, expensive, provider, or off"), "{error}");
        assert!(!some_rate(str::parse::<u32>)("off").unwrap_err().ends_with("or off"));
    }
}
