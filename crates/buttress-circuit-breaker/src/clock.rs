use std::{sync::LazyLock, time::Duration};

use tokio::time::Instant;

use crate::window::Nanos;

/// Nanoseconds since some moment of this process, by the clock of tokio, which a test may have paused.
///
/// A number, since that can be kept where threads read it without a lock.
#[inline]
pub(crate) fn now() -> Nanos {
    static SOME_MOMENT: LazyLock<Instant> = LazyLock::new(Instant::now);
    let (now, then) = (Instant::now(), *SOME_MOMENT);
    match now.checked_duration_since(then) {
        Some(since) => BEFORE.wrapping_add(nanos(since)),
        None => before(then - now),
    }
}

/// What lies before that moment: clocks that were paused then are behind it.
const BEFORE: Nanos = 1 << 62;

#[cold]
fn before(time: Duration) -> Nanos {
    BEFORE.wrapping_sub(nanos(time))
}

/// Good for 584 years.
#[inline]
fn nanos(time: Duration) -> Nanos {
    time.as_secs().wrapping_mul(1_000_000_000).wrapping_add(time.subsec_nanos().into())
}
