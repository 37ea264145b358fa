use std::{error::Error, fmt, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::purse::Purse;

/// How much a [`Budget`] allows.
///
/// | | default | |
/// |---|---|---|
/// | [`percent`](Self::percent) | 20 | retries for every hundred calls |
/// | [`saved`](Self::saved) | 100 | the most retries that calls can save up |
/// | [`reserve`](Self::reserve) | 10 | retries a second on top, so that callers with few calls can retry; ten seconds of it are kept |
///
/// # Examples
///
/// ```
/// use buttress_retry::{Allowance, Budget};
///
/// let budget = Budget::new(Allowance::percent(10)?.reserve(1));
/// assert_eq!(budget.left(), 10);
/// # Ok::<(), buttress_retry::InvalidAllowance>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Allowance {
    pub(crate) percent: u32,
    pub(crate) saved: u32,
    pub(crate) reserve: u32,
}

/// A share of more than a hundred in a hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAllowance(());

impl Allowance {
    /// That many retries for every hundred calls.
    ///
    /// # Errors
    ///
    /// Above 100, which would let a failing server get more than double its load.
    pub fn percent(percent: u32) -> Result<Self, InvalidAllowance> {
        if percent > 100 {
            return Err(InvalidAllowance(()));
        }
        Ok(Self { percent, ..Self::default() })
    }

    /// The most retries that calls can save up for later.
    pub fn saved(self, retries: u32) -> Self {
        Self { saved: retries, ..self }
    }

    /// Retries a second that no call has to pay for; zero for none.
    pub fn reserve(self, per_second: u32) -> Self {
        Self { reserve: per_second, ..self }
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self { percent: 20, saved: 100, reserve: 10 }
    }
}

impl fmt::Display for InvalidAllowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a budget allows at most 100 retries for every 100 calls")
    }
}

impl Error for InvalidAllowance {}

/// Bounds what retries add to the load of a server that fails (RTY-10, RTY-11).
///
/// Every call pays a part of a retry in, every retry takes a whole one out; a call that would be tried again when
/// nothing is left gets the answer that is there. A clone is the same budget: share one between all layers that call
/// the same server. Nothing is paid back when a retry succeeds, so that the share holds in a half outage as well.
///
/// A call that pays in costs one atomic addition, and no clock is read. There is no lock.
#[derive(Clone)]
pub struct Budget(Arc<Shared>);

struct Shared {
    purse: Purse,
    origin: Instant,
}

impl Budget {
    /// A budget with nothing saved and its whole reserve.
    #[must_use]
    pub fn new(allowance: Allowance) -> Self {
        Self(Arc::new(Shared { purse: Purse::new(allowance), origin: Instant::now() }))
    }

    /// Pays for one call.
    #[inline]
    pub fn pay_in(&self) {
        self.0.purse.pay_in();
    }

    /// Takes one retry out, or says that there is none.
    #[must_use = "false: there is no retry left"]
    pub fn take(&self) -> bool {
        self.0.purse.take_saved() || self.0.purse.take_reserve(self.now())
    }

    /// How many retries could be taken out at once.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.purse.left(self.now())
    }

    /// Whether nobody could tell it from a new one but by what it has saved.
    pub(crate) fn is_rested(&self) -> bool {
        self.0.purse.is_rested(self.now())
    }

    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.0.origin)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Allowance::default())
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("left", &self.left()).finish_non_exhaustive()
    }
}
