use std::sync::{Arc, PoisonError, RwLock};

use crate::Quota;

/// A quota that can be changed while it is in use. A clone is the same quota.
///
/// What was taken stays taken: buckets keep the time in which they will be full, and the new quota counts from the next
/// request on.
///
/// # Examples
///
/// ```
/// use buttress_rate_limit::{ClientAddr, Limit, SharedQuota};
///
/// let quota = SharedQuota::new("120/min burst 40".parse()?);
/// let limit = Limit::new("address", quota.quota(), ClientAddr::peer()).quota_from(&quota);
/// // In bad times:
/// quota.set("30/min burst 10".parse()?);
/// # Ok::<(), buttress_rate_limit::InvalidQuota>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedQuota(Arc<RwLock<Quota>>);

impl SharedQuota {
    /// With this quota at first.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self(Arc::new(RwLock::new(quota)))
    }

    /// The quota now.
    #[must_use]
    pub fn quota(&self) -> Quota {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it.
    pub fn set(&self, quota: Quota) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = quota;
    }
}

/// A quota that stays, or one that may change.
pub(crate) enum QuotaSource {
    Fixed(Quota),
    Shared(SharedQuota),
}

impl QuotaSource {
    #[inline]
    pub(crate) fn quota(&self) -> Quota {
        match self {
            Self::Fixed(quota) => *quota,
            Self::Shared(shared) => shared.quota(),
        }
    }
}
