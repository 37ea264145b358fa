use std::{error::Error, fmt, iter, str, str::FromStr};

use http::HeaderValue;

/// The most members a list may have.
const MEMBERS: usize = 32;

/// Members longer than this are the first to go when a list is too long.
const LARGE: usize = 128;

/// A `tracestate` of W3C Trace Context level 2: what tracing systems tell each other beside `traceparent`.
///
/// A list of up to 32 `key=value`, which is never empty. The grammar of keys is that of 2024: a letter `a-z` or digit,
/// then up to 255 of `a-z 0-9 _ - * / @`. Empty members and blanks around members are left out, of members with the same
/// key the first is kept.
///
/// Up to [`TraceState::MAX_LEN`] characters go on. Of a longer list, members over 128 characters go first, then others,
/// each time from the right (COR-4).
///
/// # Examples
///
/// ```
/// use buttress_correlation_id::TraceState;
///
/// let state: TraceState = "rojo=00f067aa0ba902b7, congo=t61rcWkgMzE".parse()?;
/// assert_eq!(state.get("congo"), Some("t61rcWkgMzE"));
///
/// // Who changes its own member moves it to the left.
/// let state = state.with("congo", "lZWRzIHRoNhcm5hbCBwbGVhcw")?;
/// assert_eq!(state.as_str(), "congo=lZWRzIHRoNhcm5hbCBwbGVhcw,rojo=00f067aa0ba902b7");
/// # Ok::<(), buttress_correlation_id::InvalidTraceState>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceState(HeaderValue);

impl TraceState {
    /// The most characters that are passed on. W3C asks for at least 512.
    pub const MAX_LEN: usize = 512;

    /// A list of one member.
    ///
    /// # Errors
    ///
    /// When the key or the value is outside the grammar.
    pub fn new(key: &str, value: &str) -> Result<Self, InvalidTraceState> {
        compose(vec![member(key, value)?.as_str()]).ok_or(InvalidTraceState(()))
    }

    /// The list with this member at its left, in place of one with the same key (COR-3).
    ///
    /// A 33rd member pushes the last one out.
    ///
    /// # Errors
    ///
    /// When the key or the value is outside the grammar.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, InvalidTraceState> {
        let own = member(key, value)?;
        let others = self.as_str().split(',').filter(|other| key_of(other) != key);
        compose(iter::once(own.as_str()).chain(others).take(MEMBERS).collect()).ok_or(InvalidTraceState(()))
    }

    /// The value of a member.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(found, value)| (found == key).then_some(value))
    }

    /// The members, from left to right.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_str().split(',').map(|member| member.split_once('=').expect("each member has a key and a value"))
    }

    /// The list as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).expect("only ASCII passes the constructor")
    }

    /// The list as the value of one field, which shares its bytes.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Reads all lines of the field, in their order, as one list. `Ok(None)` is an empty list.
    ///
    /// No copy is made of a list in one line that needs no change.
    ///
    /// # Errors
    ///
    /// When any member is outside the grammar, or there are more than 32: nothing of the list is used then.
    pub fn from_values<'a>(
        values: impl IntoIterator<Item = &'a HeaderValue>,
    ) -> Result<Option<Self>, InvalidTraceState> {
        let mut values = values.into_iter().peekable();
        let mut lines = Lines::default();
        let first = values.peek().copied();
        values.try_for_each(|value| lines.read(value.as_bytes()))?;
        let clean = first.filter(|first| !lines.found.is_empty() && lines.clean && first.len() <= Self::MAX_LEN);
        Ok(match clean {
            Some(value) => {
                let mut value = value.clone();
                value.set_sensitive(false);
                Some(Self(value))
            }
            None => compose(lines.found),
        })
    }
}

/// # Errors
///
/// When the text is empty or outside the grammar.
impl FromStr for TraceState {
    type Err = InvalidTraceState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut lines = Lines::default();
        lines.read(text.as_bytes())?;
        compose(lines.found).ok_or(InvalidTraceState(()))
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceState").field(&self.as_str()).finish()
    }
}

/// A text that is no `tracestate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceState(());

impl fmt::Display for InvalidTraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tracestate is 1 to 32 of key=value with commas between, in the alphabets of W3C Trace Context")
    }
}

impl Error for InvalidTraceState {}

/// The members found so far.
struct Lines<'a> {
    found: Vec<&'a str>,
    /// Whether one line has been read that can go on as it is.
    clean: bool,
    lines: usize,
}

impl Default for Lines<'_> {
    fn default() -> Self {
        Self { found: Vec::new(), clean: true, lines: 0 }
    }
}

impl<'a> Lines<'a> {
    fn read(&mut self, line: &'a [u8]) -> Result<(), InvalidTraceState> {
        self.lines += 1;
        self.clean &= self.lines == 1;
        // A line is as long as a server takes headers; members in vain are counted by nobody but it.
        let line = str::from_utf8(line).map_err(|_| InvalidTraceState(()))?;
        line.split(',').try_for_each(|raw| self.take(raw))
    }

    fn take(&mut self, raw: &'a str) -> Result<(), InvalidTraceState> {
        // Blanks before a value belong to it, those behind it do not.
        let member = raw.trim_matches([' ', '\t']);
        if member.is_empty() {
            self.clean = false;
            return Ok(());
        }
        let (key, value) = member.split_once('=').ok_or(InvalidTraceState(()))?;
        if !fits(key, value) {
            return Err(InvalidTraceState(()));
        }
        let double = self.found.iter().any(|known| key_of(known) == key);
        self.clean &= member.len() == raw.len() && !double;
        if double {
            return Ok(());
        }
        self.found.push(member);
        if self.found.len() > MEMBERS { Err(InvalidTraceState(())) } else { Ok(()) }
    }
}

fn member(key: &str, value: &str) -> Result<String, InvalidTraceState> {
    let ends_well = !value.ends_with(' ');
    if ends_well && fits(key, value) { Ok(format!("{key}={value}")) } else { Err(InvalidTraceState(())) }
}

fn key_of(member: &str) -> &str {
    member.split_once('=').map_or(member, |(key, _)| key)
}

/// Whether key and value, already without blanks around them, are what W3C allows.
fn fits(key: &str, value: &str) -> bool {
    let first = key.as_bytes().first();
    let key_fits = first.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && key.len() <= 256
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b));
    let value_fits =
        (1..=256).contains(&value.len()) && value.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b',' && b != b'=');
    key_fits && value_fits
}

/// One list of what fits, or `None` when that is nothing.
fn compose(mut members: Vec<&str>) -> Option<TraceState> {
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    while length(&members) > TraceState::MAX_LEN {
        let large = members.iter().rposition(|member| member.len() > LARGE);
        members.remove(large.unwrap_or(members.len() - 1));
    }
    if members.is_empty() {
        return None;
    }
    let list = HeaderValue::try_from(members.join(",")).expect("the grammar is a part of what headers take");
    Some(TraceState(list))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &[&str]) -> Result<Option<String>, InvalidTraceState> {
        let values: Vec<_> = lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect();
        TraceState::from_values(&values).map(|state| state.map(|state| state.to_string()))
    }

    fn kept(lines: &[&str]) -> String {
        read(lines).unwrap().unwrap()
    }

    // COR-3
    #[test]
    fn all_lines_are_combined_in_order() {
        assert_eq!(kept(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]), "foo=1,bar=2,rojo=1,congo=2,baz=3");
    }

    // COR-3
    #[test]
    fn empty_lines_and_members_are_left_out() {
        assert_eq!(read(&[""]), Ok(None));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[" , ,\t"]), Ok(None));
        assert_eq!(kept(&["foo=1", ""]), "foo=1");
        assert_eq!(kept(&["", "foo=1"]), "foo=1");
        assert_eq!(kept(&["foo=1,,bar=2,"]), "foo=1,bar=2");
    }

    // COR-3
    #[test]
    fn blanks_around_members_are_left_out_and_those_before_a_value_are_kept() {
        assert_eq!(kept(&["foo=1 \t , \t bar=2, \t baz=3"]), "foo=1,bar=2,baz=3");
        assert_eq!(kept(&["\t foo=1 \t"]), "foo=1");
        assert_eq!(kept(&["foo= 1"]), "foo= 1");
    }

    // COR-3
    #[test]
    fn of_members_with_the_same_key_the_first_is_kept() {
        assert_eq!(kept(&["foo=1,foo=1"]), "foo=1");
        assert_eq!(kept(&["foo=1", "bar=3,foo=2"]), "foo=1,bar=3");
    }

    // COR-3
    #[test]
    fn at_signs_stand_anywhere_but_first() {
        for good in ["foo@=1,bar=2", "foo@@bar=1,bar=2", "foo@bar@baz=1,bar=2", "0@a=1", "t@vvvvvvvvvvvvvvv=1"] {
            assert_eq!(kept(&[good]), good);
        }
        assert!(read(&["@foo=1,bar=2"]).is_err());
    }

    // COR-3
    #[test]
    fn one_bad_member_spoils_the_list() {
        for bad in
            ["foo =1", "FOO=1", "foo.bar=1", "foo=bar=baz", "foo=,bar=3", "foo", "=1", "foo=1\t2", "_a=1", "a=\u{e4}"]
        {
            assert!(read(&["ok=1", bad]).is_err(), "{bad}");
        }
        let value = HeaderValue::from_bytes(b"a=\xff").unwrap();
        assert!(TraceState::from_values([&value]).is_err());
    }

    // COR-3
    #[test]
    fn keys_and_values_have_up_to_256_characters() {
        let (fits, too_long) = ("z".repeat(256), "z".repeat(257));
        assert_eq!(kept(&["foo=1", &format!("{fits}=1")]), format!("foo=1,{fits}=1"));
        assert!(read(&["foo=1", &format!("{too_long}=1")]).is_err());
        assert_eq!(kept(&[&format!("foo={fits}")]), format!("foo={fits}"));
        assert!(read(&[&format!("foo={too_long}")]).is_err());
    }

    // COR-3
    #[test]
    fn every_character_of_the_grammar_is_kept() {
        let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/";
        let value: String = (' '..='~').filter(|c| !",=".contains(*c)).collect();
        let list = format!("{key}={value}");
        assert_eq!(kept(&[&list]), list);
    }

    // COR-3
    #[test]
    fn there_are_at_most_32_members() {
        let list = |count: usize| (1..=count).map(|i| format!("bar{i:02}={i:02}")).collect::<Vec<_>>();
        assert_eq!(kept(&[&list(32).join(",")]).split(',').count(), 32);
        for many in [33, 40] {
            assert!(read(&[&list(many)[..20].join(","), &list(many)[20..].join(",")]).is_err());
        }
        let state: TraceState = list(32).join(",").parse().unwrap();
        let state = state.with("own", "1").unwrap();
        assert_eq!(state.iter().count(), 32);
        assert_eq!((state.iter().next(), state.get("bar32")), (Some(("own", "1")), None));
    }

    // COR-3
    #[test]
    fn an_own_member_moves_to_the_left() {
        let state: TraceState = "rojo=1,congo=2,foo=3".parse().unwrap();
        assert_eq!(state.with("congo", "9").unwrap().as_str(), "congo=9,rojo=1,foo=3");
        assert_eq!(TraceState::new("congo", "9").unwrap().as_str(), "congo=9");
        for (key, value) in [("Congo", "1"), ("congo", ""), ("congo", "1 "), ("congo", "1,a=2"), ("", "1")] {
            assert!(state.with(key, value).is_err() && TraceState::new(key, value).is_err(), "{key}={value}");
        }
    }

    // COR-4
    #[test]
    fn five_hundred_and_twelve_characters_go_on() {
        let list = format!("a={},b={},c={}", "1".repeat(200), "2".repeat(200), "3".repeat(104));
        assert_eq!(list.len(), 512);
        assert_eq!(kept(&[&list]), list);
    }

    // COR-4
    #[test]
    fn whole_members_are_cut_the_large_ones_first_and_from_the_right() {
        let small = |key: &str| format!("{key}={}", "1".repeat(90));
        let large = |key: &str| format!("{key}={}", "1".repeat(200));
        let lines = [small("a"), large("b"), small("c"), large("d"), small("e")];
        assert_eq!(kept(&[&lines.join(",")]), [small("a"), large("b"), small("c"), small("e")].join(","));
        let lines = ["a", "b", "c", "d", "e", "f"].map(small);
        assert_eq!(kept(&[&lines.join(",")]), lines[..5].join(","));
    }

    #[test]
    fn a_list_that_needs_no_change_is_not_copied() {
        let value = HeaderValue::from_static("rojo=1,congo=2");
        let state = TraceState::from_values([&value]).unwrap().unwrap();
        assert_eq!(state.as_str().as_ptr(), value.as_bytes().as_ptr());
    }

    proptest! {
        // COR-3, COR-10
        #[test]
        fn whatever_comes_what_goes_on_is_a_list_that_reads_the_same(
            lines in prop::collection::vec("[a-c=, \t@*A1]{0,24}", 0..5)
        ) {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            if let Ok(Some(list)) = read(&lines) {
                prop_assert_eq!(kept(&[&list]), list);
            }
        }

        // COR-4
        #[test]
        fn a_long_list_keeps_its_order_and_fits(lengths in prop::collection::vec(1_usize..256, 1..32)) {
            let list: Vec<_> = lengths.iter().enumerate().map(|(i, n)| format!("k{i}={}", "v".repeat(*n))).collect();
            let state: TraceState = list.join(",").parse().unwrap();
            prop_assert!(state.as_str().len() <= TraceState::MAX_LEN);
            let mut rest = list.iter();
            prop_assert!(state.as_str().split(',').all(|member| rest.any(|other| other == member)));
        }
    }
}
