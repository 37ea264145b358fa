use std::mem;

/// A call that has failed when code of others panics that runs for it (CBK-9).
pub(crate) trait Fail {
    fn fail(&mut self);
}

/// A part of the inner service is running. If this is dropped by its panic, the call has failed.
pub(crate) struct Watched<'a, T: Fail>(&'a mut T);

impl<'a, T: Fail> Watched<'a, T> {
    #[inline]
    pub(crate) fn new(call: &'a mut T) -> Self {
        Self(call)
    }

    /// It did not panic.
    #[inline]
    pub(crate) fn went_well(self) {
        mem::forget(self);
    }
}

impl<T: Fail> Drop for Watched<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.fail();
    }
}
