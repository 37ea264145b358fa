//! Parsers for what settings usually are. Each gives an error that says what would be right.

use std::{
    fmt::{Debug, Display},
    ops::RangeInclusive,
    str::FromStr,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

/// A time with its unit: `250ms`, `15s`, `10m`, `24h`, also joined: `1m 30s`.
///
/// # Errors
///
/// When it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "it is a time with a unit, like 250ms, 15s or 10m".to_owned())
}

/// A [`duration`] within a range.
pub fn duration_in(range: RangeInclusive<Duration>) -> impl FnOnce(&str) -> Result<Duration, String> {
    move |text| {
        let value = duration(text)?;
        let [low, high] = [range.start(), range.end()].map(|bound| humantime::format_duration(*bound));
        if range.contains(&value) { Ok(value) } else { Err(format!("it is from {low} to {high}")) }
    }
}

/// A number within a range.
pub fn number_in<T>(range: RangeInclusive<T>) -> impl FnOnce(&str) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    move |text| {
        let value = text.parse().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| format!("it is a number from {} to {}", range.start(), range.end()))
    }
}

/// `on` or `off`.
///
/// # Errors
///
/// When it is neither.
pub fn switch(text: &str) -> Result<bool, String> {
    one_of(&[("on", true), ("off", false)])(text)
}

/// One of a few words.
pub fn one_of<T: Copy + Debug>(words: &[(&'static str, T)]) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            format!("it is one of {}", words.join(", "))
        })
    }
}

/// A list, its entries apart by commas: `10.0.0.0/8, 192.168.0.0/16`. An error names the entry at fault by its place.
pub fn list<T, E: Display>(entry: impl Fn(&str) -> Result<T, E>) -> impl FnOnce(&str) -> Result<Vec<T>, String> {
    move |text| {
        let entries = text.split(',').enumerate();
        entries.map(|(i, text)| entry(text.trim()).map_err(|error| format!("entry {}: {error}", i + 1))).collect()
    }
}

/// A secret of at least `length` bytes.
pub fn secret_of(length: usize) -> impl FnOnce(SecretString) -> Result<SecretString, String> {
    move |secret| {
        let long_enough = secret.expose_secret().len() >= length;
        if long_enough { Ok(secret) } else { Err(format!("it needs at least {length} characters")) }
    }
}

/// Names with a secret each: `alice=KEY,bob=KEY`.
///
/// A name is made of letters, digits, `.`, `_` and `-`, up to 64 of them; no name and no secret stands twice; a secret
/// has at least `length` visible ASCII characters and no comma. An error names an entry by its place alone: what looks
/// like a name may be a secret whose name was forgotten.
pub fn named_secrets(length: usize) -> impl FnOnce(SecretString) -> Result<Vec<(String, SecretString)>, String> {
    move |text| {
        let mut pairs: Vec<(String, SecretString)> = Vec::new();
        for (i, entry) in text.expose_secret().split(',').enumerate() {
            let (name, secret) = named_secret(entry.trim(), length).map_err(|why| format!("entry {}: {why}", i + 1))?;
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(format!("entry {}: its name stands twice", i + 1));
            }
            if pairs.iter().any(|(_, other)| other.expose_secret() == secret) {
                return Err(format!("entry {}: somebody else has the same key", i + 1));
            }
            pairs.push((name, secret.into()));
        }
        Ok(pairs)
    }
}

fn named_secret(entry: &str, length: usize) -> Result<(String, &str), String> {
    let (name, secret) = entry.split_once('=').ok_or("it is a name, `=` and a key")?;
    let name_fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if name.is_empty() || name.len() > 64 || !name_fits {
        return Err("a name is 1 to 64 letters, digits, dots, dashes or underscores".into());
    }
    if secret.len() < length || !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("a key has at least {length} visible ASCII characters"));
    }
    Ok((name.to_owned(), secret))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_range() {
        let range = || duration_in(Duration::from_millis(10)..=Duration::from_secs(60));
        assert_eq!(range()("1s 500ms"), Ok(Duration::from_millis(1_500)));
        assert_eq!(range()("5m"), Err("it is from 10ms to 1m".into()));
        for bad in ["", "15", "-1s", "s", "1 fortnight", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(number_in(1..=10)("10"), Ok(10));
        assert_eq!(number_in(1..=10)("11"), Err("it is a number from 1 to 10".into()));
        assert!(number_in(0.0..=1.0)("NaN").is_err());
        assert!(number_in(1..=10_u8)("1e1").is_err());
    }

    #[test]
    fn words_are_exact() {
        assert_eq!(switch("on"), Ok(true));
        assert_eq!(switch("ON"), Err("it is one of on, off".into()));
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        assert_eq!(list(str::parse::<u8>)("1, 2,3"), Ok(vec![1, 2, 3]));
        assert!(list(str::parse::<u8>)("1,x").unwrap_err().starts_with("entry 2: "));
        assert!(list(str::parse::<u8>)("1,").is_err());
    }

    fn keys(text: &str) -> Result<Vec<(String, SecretString)>, String> {
        named_secrets(4)(text.to_owned().into())
    }

    #[test]
    fn named_secrets_are_read() {
        let pairs = keys("alice=k3y=,bob=other").unwrap();
        let shown: Vec<_> = pairs.iter().map(|(name, key)| (name.as_str(), key.expose_secret())).collect();
        assert_eq!(shown, [("alice", "k3y="), ("bob", "other")]);
    }

    #[test]
    fn a_faulty_entry_is_named_by_its_place_and_never_shown() {
        for bad in [
            "secret=,x=y",
            "alice",
            "=secret",
            "a b=secret",
            "alice=sec",
            "alice=secret,",
            "a=secret,a=secre2",
            "a=secret,b=secret",
        ] {
            let error = keys(bad).unwrap_err();
            assert!(!error.contains("sec"), "{error}");
        }
        assert!(keys("alice=good,b").unwrap_err().starts_with("entry 2"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = duration(&text);
            let _ = keys(&text);
            let _ = number_in(0.0..=1.0)(&text);
        }
    }
}
