use std::time::{SystemTime, UNIX_EPOCH};

use buttress_core::CorrelationId;

use crate::random::{Generator, with_generator};

/// Makes a new id for a request that brought none, or none that is kept.
///
/// Closures that take nothing and return a [`CorrelationId`] do.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use buttress_core::CorrelationId;
/// use buttress_correlation_id::CorrelationLayer;
///
/// static NEXT: AtomicU64 = AtomicU64::new(1);
///
/// fn numbered() -> CorrelationId {
///     let number = NEXT.fetch_add(1, Ordering::Relaxed);
///     format!("node7-{number}").parse().expect("letters, digits and -")
/// }
///
/// let layer = CorrelationLayer::new().make_with(numbered);
/// ```
pub trait MakeCorrelationId {
    /// A new id.
    fn make_correlation_id(&self) -> CorrelationId;
}

impl<F> MakeCorrelationId for F
where
    F: Fn() -> CorrelationId,
{
    fn make_correlation_id(&self) -> CorrelationId {
        self()
    }
}

/// UUIDs of version 7 in their canonical text, the default (RFC 9562 section 5.7; COR-11).
///
/// Within a thread each is greater than the one before, also within a millisecond; between threads the order is that of
/// the clock. They tell when they were made and grant nothing (COR-12). One costs one allocation, which all its copies
/// share, and no system call beside the clock.
///
/// # Examples
///
/// ```
/// use buttress_correlation_id::{MakeCorrelationId, UuidV7};
///
/// let (first, second) = (UuidV7.make_correlation_id(), UuidV7.make_correlation_id());
/// assert!(first.as_str() < second.as_str());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct UuidV7;

impl MakeCorrelationId for UuidV7 {
    fn make_correlation_id(&self) -> CorrelationId {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = now.as_secs() * 1_000 + u64::from(now.subsec_millis());
        CorrelationId::from_uuid(with_generator(|Generator { random, sequence }| {
            sequence.next(millis, || random.next())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // COR-11
    #[test]
    fn ids_are_uuids_of_version_7_made_now() {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let id = UuidV7.make_correlation_id();
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let text = id.as_str().replace('-', "");
        assert_eq!((id.as_str().len(), text.len(), &text[12..13]), (36, 32, "7"));
        // Another test on this thread may have counted the time on, never back.
        let millis = u128::from_str_radix(&text[..12], 16).unwrap();
        assert!((before..=after + 1).contains(&millis));
    }

    // COR-11
    #[test]
    fn ids_made_in_a_row_are_in_order() {
        let ids: Vec<_> = (0..10_000).map(|_| UuidV7.make_correlation_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a.as_str() < b.as_str()));
    }
}
