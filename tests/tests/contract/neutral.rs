//! What differs from run to run in an answer, taken out of it.

use std::collections::HashMap;

/// Gives each id a number in the order of its first appearance, and puts words in place of times and addresses.
#[derive(Default)]
pub(crate) struct Neutral(HashMap<String, usize>);

impl Neutral {
    pub(crate) fn header(&mut self, name: &str, value: &str) -> String {
        match value.split_once(';') {
            Some((_, rest)) if name == "set-cookie" => format!("a-secret;{rest}"),
            // How long until one more is there.
            Some(_) if name == "ratelimit" => value.split(";t=").next().unwrap_or_default().to_owned(),
            _ => self.text(value),
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || ".:-".contains(c);
        let mut neutral = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_part) {
            let (between, word) = rest.split_at(start);
            let (word, after) = word.split_at(word.find(|c| !is_part(c)).unwrap_or(word.len()));
            neutral.push_str(between);
            neutral.push_str(&self.word(word));
            rest = after;
        }
        neutral + rest
    }

    fn word(&mut self, word: &str) -> String {
        let fits = |shape: &str| {
            word.len() == shape.len()
                && shape.bytes().zip(word.bytes()).all(|(shape, byte)| match shape {
                    b'x' => byte.is_ascii_hexdigit(),
                    b'0' => byte.is_ascii_digit(),
                    _ => shape == byte,
                })
        };
        if fits("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") {
            let next = self.0.len();
            return format!("id-{}", self.0.entry(word.to_owned()).or_insert(next));
        }
        if fits("0000-00-00T00:00:00.000Z") {
            return "a-time".into();
        }
        if word.starts_with("127.0.0.1:") {
            return "a-host".into();
        }
        match word.split_once('-') {
            // A cursor: its epoch is drawn by lot.
            Some((epoch, offset)) if epoch.len() == 16 && offset.bytes().all(|b| b.is_ascii_digit()) => {
                "a-cursor".into()
            }
            _ if word.len() > 22 && word[22..].starts_with('.') => format!("a-file{}", &word[22..]),
            _ => word.to_owned(),
        }
    }
}

#[test]
fn what_is_the_same_stays_the_same_and_what_differs_differs() {
    let mut neutral = Neutral::default();
    let (a, b) = ("0188a7c4-0000-7000-8000-000000000001", "0188a7c4-0000-7000-8000-000000000002");
    let text =
        neutral.text(&format!("/api/jobs/{a}/events {b} {a} at 2026-01-31T12:00:00.000Z, http://127.0.0.1:81/x"));
    assert_eq!(text, "/api/jobs/id-0/events id-1 id-0 at a-time, http://a-host/x");
    assert_eq!(neutral.text(r#"{"prompt":"é-1"} "#), r#"{"prompt":"é-1"} "#);
}
