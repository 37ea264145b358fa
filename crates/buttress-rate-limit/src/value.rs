//! The value of a field, written from its end to its start: so the digits of a number come in the order in which they are
//! found, and need no counting before.

use std::mem;

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

/// The longest member: two parameters of twenty digits, or the longer text of concurrency.
const MEMBER: usize = NAME + 2 * (3 + 20);

/// A value under way: the place that is left before what is there.
pub(crate) struct Line<'a>(&'a mut [u8]);

/// A value of at most so many members.
#[inline]
pub(crate) fn value<const MEMBERS: usize>(write: impl FnOnce(&mut Line<'_>)) -> HeaderValue {
    let mut bytes = [[0; MEMBER]; MEMBERS];
    let bytes = bytes.as_flattened_mut();
    let mut line = Line(bytes);
    write(&mut line);
    // No comma before the first name.
    let start = line.0.len() + 2;
    HeaderValue::from_bytes(&bytes[start..]).expect("names and digits are ASCII")
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

impl Line<'_> {
    /// Before what is there. Of a length that the compiler knows, so that it needs no call.
    #[inline]
    pub(crate) fn text<const N: usize>(&mut self, text: &[u8; N]) {
        self.last(text, N);
    }

    /// The last so many bytes of a text; what stands before them is written over.
    #[inline]
    fn last<const N: usize>(&mut self, text: &[u8; N], len: usize) {
        *self.0.last_chunk_mut().expect("there is room for the longest line") = *text;
        let left = self.0.len() - len;
        self.0 = &mut mem::take(&mut self.0)[..left];
    }

    /// A member begins with it.
    #[inline]
    pub(crate) fn name(&mut self, name: &Name) {
        self.last(&name.bytes, name.len);
    }

    /// A parameter. Always inlined: the line is then kept in registers.
    #[inline(always)]
    pub(crate) fn number<const N: usize>(&mut self, parameter: &[u8; N], mut number: u64) {
        // Hardly any number is that long, and shorter ones are divided with less.
        while number > u64::from(u32::MAX) {
            self.text(&PAIRS[(number % 100) as usize]);
            number /= 100;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is short enough")]
        let mut number = number as u32;
        while number >= 100 {
            self.text(&PAIRS[(number % 100) as usize]);
            number /= 100;
        }
        self.last(&PAIRS[number as usize], if number < 10 { 1 } else { 2 });
        self.text(parameter);
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
            let value = value::<FEW>(|line| {
                line.number(b";r=", number);
                line.name(&Name::new("a"));
            });
            assert_eq!(value, format!("\"a\";r={number}"));
        }
    }

    #[test]
    fn members_stand_in_the_order_in_which_they_are_read() {
        let longest = "a-name-as-long-as-a-name-can-be-";
        let value = value::<FEW>(|line| {
            for name in ["b", longest] {
                line.number(b";t=", u64::MAX);
                line.number(b";r=", u64::MAX);
                line.name(&Name::new(name));
            }
        });
        let max = u64::MAX;
        assert_eq!(value, format!("\"{longest}\";r={max};t={max}, \"b\";r={max};t={max}"));
    }
}
