//! The value of a field, written from its end to its start: so the digits of a number come in the order in which they are
//! found, and need no counting before.

use http::HeaderValue;

/// So many limits that a line about them is soon made.
pub(crate) const FEW: usize = 2;

/// The longest name of a limit.
pub(crate) const LONGEST_NAME: usize = 32;

/// A name with the quotes around it and what parts it from the one before, at the end of a place of a fixed length: that
/// is copied without a call.
#[derive(Debug)]
pub(crate) struct Name {
    bytes: [u8; NAME],
    len: usize,
}

/// The longest of them: `, "` and `"` are four.
const NAME: usize = LONGEST_NAME + 4 + 4;

/// The longest number.
const DIGITS: usize = 20;

/// The longest member: two parameters of twenty digits, or the longer text of concurrency.
const MEMBER: usize = NAME + 2 * (3 + DIGITS);

/// A value under way: as long as so many of the longest members make it.
pub(crate) struct Line<const MEMBERS: usize> {
    bytes: [[u8; MEMBER]; MEMBERS],
    start: usize,
}

impl Name {
    /// # Panics
    ///
    /// When it is longer than [`LONGEST_NAME`], which no limit of a layer is.
    pub(crate) fn new(name: &str) -> Self {
        let mut bytes = [0; NAME];
        let len = name.len() + 4;
        let (comma, rest) = bytes[NAME - len..].split_at_mut(3);
        let (text, quote) = rest.split_at_mut(name.len());
        comma.copy_from_slice(b", \"");
        text.copy_from_slice(name.as_bytes());
        quote.copy_from_slice(b"\"");
        Self { bytes, len }
    }
}

impl<const MEMBERS: usize> Line<MEMBERS> {
    #[inline]
    pub(crate) fn new() -> Self {
        Self { bytes: [[0; MEMBER]; MEMBERS], start: MEMBERS * MEMBER }
    }

    /// Before what is there. Of a length that the compiler knows, so that it needs no call.
    #[inline]
    pub(crate) fn text<const N: usize>(&mut self, text: &[u8; N]) {
        let (before, _) = self.bytes.as_flattened_mut().split_at_mut(self.start);
        *before.last_chunk_mut().expect("there is room for the longest line") = *text;
        self.start -= N;
    }

    /// A member begins with it.
    #[inline]
    pub(crate) fn name(&mut self, name: &Name) {
        self.text(&name.bytes);
        // What stands before the name is written over.
        self.start += NAME - name.len;
    }

    /// A parameter.
    #[inline]
    pub(crate) fn number<const N: usize>(&mut self, parameter: &[u8; N], number: u64) {
        let (mut digits, mut first, mut left) = ([0; DIGITS], DIGITS, number);
        while left >= 100 {
            first -= 2;
            digits[first..first + 2].copy_from_slice(&PAIRS[(left % 100) as usize]);
            left /= 100;
        }
        first -= 2;
        digits[first..first + 2].copy_from_slice(&PAIRS[(left % 100) as usize]);
        // As with names: zeros before the number are written over.
        self.text(&digits);
        self.start += first + usize::from(left < 10);
        self.text(parameter);
    }

    #[inline]
    pub(crate) fn value(&self) -> HeaderValue {
        // No comma before the first name.
        let line = &self.bytes.as_flattened()[self.start + 2..];
        HeaderValue::from_bytes(line).expect("names and digits are ASCII")
    }
}

/// The numbers below a hundred, with two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let (mut pairs, mut number) = ([[0; 2]; 100], 0_u8);
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_written_whole() {
        let powers = (0..20).map(|digits| 10_u64.pow(digits)).flat_map(|power| [power - 1, power, power + 1]);
        for number in powers.chain([7, 42, 105, u64::from(u32::MAX), u64::MAX]) {
            let mut line = Line::<FEW>::new();
            line.number(b";r=", number);
            line.name(&Name::new("a"));
            assert_eq!(line.value(), format!("\"a\";r={number}"));
        }
    }

    #[test]
    fn members_stand_in_the_order_in_which_they_are_read() {
        let longest = "a-name-as-long-as-a-name-can-be-";
        let mut line = Line::<FEW>::new();
        for name in ["b", longest] {
            line.number(b";t=", u64::MAX);
            line.number(b";r=", u64::MAX);
            line.name(&Name::new(name));
        }
        let max = u64::MAX;
        assert_eq!(line.value(), format!("\"{longest}\";r={max};t={max}, \"b\";r={max};t={max}"));
    }
}
