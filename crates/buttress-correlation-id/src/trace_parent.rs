use std::{error::Error, fmt, str, str::FromStr};

use buttress_core::CorrelationId;
use bytes::Bytes;
use http::HeaderValue;

use crate::hex;

const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;

/// The length of version 00: `00-<32 digits>-<16 digits>-<2 digits>`.
const LEN: usize = 55;

/// A `traceparent` of W3C Trace Context level 2: which trace a call belongs to, and which call is its parent.
///
/// Read strictly (COR-1): lower-case digits, no ids of zeros, version 00 with nothing behind it, a higher version as far
/// as version 00 goes, version ff not at all. Written as version 00, with the flags this level knows (COR-2).
///
/// # Examples
///
/// ```
/// use buttress_correlation_id::TraceParent;
///
/// let parent: TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03".parse()?;
/// assert!(parent.sampled() && parent.random());
///
/// // Any source of random numbers will do.
/// let mut numbers = 1_u64..;
/// let child = parent.child(|| numbers.next().expect("there is always one more"));
/// assert_eq!(child.to_string(), "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-03");
/// # Ok::<(), buttress_correlation_id::InvalidTraceParent>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: TraceId,
    parent_id: [u8; 8],
    flags: u8,
}

impl TraceParent {
    /// The first of a new trace: ids at random, which its flag says, and not sampled.
    ///
    /// `random` is asked for 64 bits at a time, until they are not all zero.
    #[must_use]
    pub fn begin(mut random: impl FnMut() -> u64) -> Self {
        let halves = [random(), non_zero(&mut random)];
        let trace_id = TraceId((u128::from(halves[0]) << 64 | u128::from(halves[1])).to_be_bytes());
        Self { trace_id, parent_id: non_zero(random).to_be_bytes(), flags: RANDOM }
    }

    /// What a call made on behalf of this one carries: the same trace and flags, a parent id of its own (COR-2).
    #[must_use]
    pub fn child(&self, random: impl FnMut() -> u64) -> Self {
        Self { parent_id: non_zero(random).to_be_bytes(), ..*self }
    }

    /// The id that all calls of the trace share.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The id of the call that sent this, its eight bytes.
    #[must_use]
    pub fn parent_id(&self) -> [u8; 8] {
        self.parent_id
    }

    /// Whether the caller may have recorded this trace.
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Whether the last seven bytes of the trace id are random, so that samplers can go by them.
    #[must_use]
    pub fn random(&self) -> bool {
        self.flags & RANDOM != 0
    }

    /// Says whether the trace is recorded. W3C asks for a new parent id beside it: see [`TraceParent::child`].
    #[must_use]
    pub fn with_sampled(self, sampled: bool) -> Self {
        let flags = if sampled { self.flags | SAMPLED } else { self.flags & !SAMPLED };
        Self { flags, ..self }
    }

    /// The field value.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.text()).expect("digits and - are what headers take")
    }

    /// Reads a field value, blanks around it left aside.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (known, rest) = value.split_at_checked(LEN)?;
        let dashes = known[2] == b'-' && known[35] == b'-' && known[52] == b'-';
        let [version] = hex::read(&known[..2])?;
        let rest_fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => matches!(rest.first(), None | Some(b'-')),
        };
        if !dashes || !rest_fits {
            return None;
        }
        let trace_id: [u8; 16] = hex::read(&known[3..35])?;
        let parent_id: [u8; 8] = hex::read(&known[36..52])?;
        let [flags] = hex::read(&known[53..])?;
        let zero = trace_id == [0; 16] || parent_id == [0; 8];
        (!zero).then_some(Self { trace_id: TraceId(trace_id), parent_id, flags: flags & (SAMPLED | RANDOM) })
    }

    fn text(&self) -> [u8; LEN] {
        let mut text = [b'-'; LEN];
        hex::write(&[0], &mut text);
        hex::write(&self.trace_id.0, &mut text[3..]);
        hex::write(&self.parent_id, &mut text[36..]);
        hex::write(&[self.flags], &mut text[53..]);
        text
    }
}

/// # Errors
///
/// When the text is no `traceparent`.
impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text.as_bytes()).ok_or(InvalidTraceParent(()))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).expect("digits and - are text"))
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({self})")
    }
}

/// The id of a trace: sixteen bytes, not all zero.
///
/// # Examples
///
/// ```
/// let parent: buttress_correlation_id::TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
/// assert_eq!(parent.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
/// # Ok::<(), buttress_correlation_id::InvalidTraceParent>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The sixteen bytes, the first one first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The 32 digits as an id of requests.
    pub(crate) fn to_correlation_id(self) -> CorrelationId {
        // Shared from the start, as clones will follow.
        let text = HeaderValue::from_maybe_shared(Bytes::from_owner(self.text()));
        text.ok().and_then(|text| text.try_into().ok()).expect("32 digits make an id")
    }

    fn text(self) -> [u8; 32] {
        let mut text = [0; 32];
        hex::write(&self.0, &mut text);
        text
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).expect("digits are text"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceParent(());

impl fmt::Display for InvalidTraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a traceparent is 00-, 32 lower-case hexadecimal digits, -, 16 more, -, 2 more, and no id is zero")
    }
}

impl Error for InvalidTraceParent {}

fn non_zero(mut random: impl FnMut() -> u64) -> u64 {
    loop {
        let drawn = random();
        if drawn != 0 {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "12345678901234567890123456789012";
    const PARENT: &str = "1234567890123456";

    fn read(text: &str) -> Option<TraceParent> {
        TraceParent::read(text.as_bytes())
    }

    // COR-1
    #[test]
    fn version_00_is_read_to_its_last_character() {
        let parent = read(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        assert_eq!(parent.trace_id().to_string(), TRACE);
        assert_eq!(parent.parent_id(), 0x1234_5678_9012_3456_u64.to_be_bytes());
        assert_eq!((parent.sampled(), parent.random()), (true, false));
        for behind in [".", "-", "-what-the-future-will-be-like", "0"] {
            assert_eq!(read(&format!("00-{TRACE}-{PARENT}-01{behind}")), None, "{behind}");
        }
    }

    // COR-1
    #[test]
    fn a_higher_version_is_read_as_far_as_version_00_goes() {
        for behind in ["", "-", "-what-the-future-will-be-like"] {
            let parent = read(&format!("cc-{TRACE}-{PARENT}-01{behind}")).unwrap();
            assert_eq!(parent.to_string(), format!("00-{TRACE}-{PARENT}-01"), "{behind}");
        }
        assert_eq!(read(&format!("cc-{TRACE}-{PARENT}-01.what-the-future-will-be-like")), None);
        assert_eq!(read(&format!("ff-{TRACE}-{PARENT}-01")), None);
    }

    // COR-1
    #[test]
    fn wrong_lengths_characters_and_zeros_are_refused() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            format!("0-{TRACE}-{PARENT}-01"),
            format!("000-{TRACE}-{PARENT}-01"),
            format!("0000-{TRACE}-{PARENT}-01"),
            format!(".0-{TRACE}-{PARENT}-01"),
            format!("0.-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{TRACE}3-{PARENT}-01"),
            format!("00-.{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{}.-{PARENT}-01", &TRACE[1..]),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &PARENT[1..]),
            format!("00-{TRACE}-{PARENT}7-01"),
            format!("00-{TRACE}-.{}-01", &PARENT[1..]),
            format!("00-{TRACE}-{}.-01", &PARENT[1..]),
            format!("00-{TRACE}-{}-01", &zeros[16..]),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-001"),
            format!("00-{TRACE}-{PARENT}-.0"),
            format!("00-{TRACE}-{PARENT}-0."),
            format!("00_{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}_{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}_01"),
            format!("00-{}-{PARENT}-01", "ABCDEF78901234567890123456789012"),
            format!("00-{TRACE}-{PARENT}-0A"),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    // COR-1
    #[test]
    fn blanks_around_the_value_are_left_aside() {
        for text in [format!(" 00-{TRACE}-{PARENT}-01"), format!("\t 00-{TRACE}-{PARENT}-01 \t")] {
            assert!(read(&text).is_some(), "{text:?}");
        }
    }

    // COR-2
    #[test]
    fn a_child_keeps_trace_sampled_and_random_and_clears_unknown_flags() {
        for (flags, kept) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("fc", "00")] {
            let child = read(&format!("00-{TRACE}-{PARENT}-{flags}")).unwrap().child(|| 7);
            assert_eq!(child.to_string(), format!("00-{TRACE}-0000000000000007-{kept}"));
        }
    }

    // COR-2
    #[test]
    fn ids_are_never_zero() {
        let mut drawn = [0, 0, 5, 0, 6].into_iter();
        let parent = TraceParent::begin(|| drawn.next().unwrap());
        assert_eq!(parent.to_string(), "00-00000000000000000000000000000005-0000000000000006-02");
    }

    // COR-14
    #[test]
    fn the_sampled_flag_can_be_set_and_cleared_alone() {
        let parent = read(&format!("00-{TRACE}-{PARENT}-03")).unwrap();
        assert_eq!(parent.with_sampled(false).to_string(), format!("00-{TRACE}-{PARENT}-02"));
        assert_eq!(parent.with_sampled(false).with_sampled(true), parent);
    }

    proptest! {
        // COR-1
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = TraceParent::read(&bytes);
        }

        // COR-1
        #[test]
        fn what_is_read_is_written_back(text in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3](-[a-z.]{0,8})?") {
            if let Some(parent) = read(&text) {
                prop_assert_eq!(&parent.to_string()[2..], &text[2..LEN]);
                prop_assert!(parent.to_header_value() == parent.to_string().as_str());
            } else {
                prop_assert!(text.starts_with("ff") || text.starts_with("00") && text.len() > LEN);
            }
        }
    }
}
