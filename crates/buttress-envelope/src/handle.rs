use std::{
    error::Error,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, Ordering::Relaxed},
    },
};

pub use crate::decide::Mode;

/// Switches the modes of an [`EnvelopeLayer`](crate::EnvelopeLayer) while it runs.
///
/// A clone is the same switch. Requests see a change at once, those that are under way may still see what was
/// before. They read without a lock.
///
/// # Examples
///
/// ```
/// use buttress_envelope::{EnvelopeLayer, Mode};
///
/// let layer = EnvelopeLayer::new();
/// let handle = layer.handle();
///
/// // One route goes back to what it was, then everything does, then everything is new again.
/// handle.set("/api/jobs/{id}", Mode::Legacy)?;
/// handle.set_all(Mode::Legacy);
/// handle.set_all(Mode::New);
/// assert_eq!(handle.mode(Some("/api/jobs/{id}")), Mode::New);
/// # Ok::<(), buttress_envelope::TooManyRoutes>(())
/// ```
#[derive(Clone)]
pub struct EnvelopeHandle(Arc<Table>);

struct Table {
    // With the bit `NAMED`, once any slot is filled.
    all: AtomicU8,
    // Filled from the front, never emptied: readers stop at the first that is not there.
    slots: Box<[OnceLock<Slot>]>,
}

struct Slot {
    pattern: Box<str>,
    mode: AtomicU8,
    look: AtomicBool,
}

impl EnvelopeHandle {
    /// The most routes that can have a mode of their own.
    pub const MAX_ROUTES: usize = 256;

    pub(crate) fn new() -> Self {
        let slots = (0..Self::MAX_ROUTES).map(|_| OnceLock::new()).collect();
        Self(Arc::new(Table { all: AtomicU8::new(NEW), slots }))
    }

    /// Sets the mode of one route, by its pattern.
    ///
    /// # Errors
    ///
    /// When [`MAX_ROUTES`](Self::MAX_ROUTES) other routes have been named before.
    pub fn set(&self, route: &str, mode: Mode) -> Result<(), TooManyRoutes> {
        self.slot(route)?.mode.store(byte(mode), Relaxed);
        Ok(())
    }

    /// Sets the mode of every route, also of those that had one of their own, except for [`Mode::Raw`]: what is no
    /// business of the envelope stays so. This is the roll-back.
    pub fn set_all(&self, mode: Mode) {
        self.set_rest(mode);
        for slot in self.known().filter(|slot| slot.mode.load(Relaxed) != RAW) {
            slot.mode.store(INHERITED, Relaxed);
        }
    }

    /// Sets the mode of the routes that have none of their own.
    pub(crate) fn set_rest(&self, mode: Mode) {
        let all = |old| Some((old & NAMED) | byte(mode));
        self.0.all.fetch_update(Relaxed, Relaxed, all).expect("it always gives a value");
    }

    /// The mode of a route; of `None` and of routes that were never named, that of all.
    #[must_use]
    pub fn mode(&self, route: Option<&str>) -> Mode {
        self.standing(route).0
    }

    /// Looks for failures in the successes of a route: see
    /// [`EnvelopeLayer::look_into`](crate::EnvelopeLayer::look_into).
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    pub fn look_into(&self, route: &str, look: bool) -> Result<(), TooManyRoutes> {
        self.slot(route)?.look.store(look, Relaxed);
        Ok(())
    }

    /// Whether the route of a request matters at all.
    #[inline]
    pub(crate) fn varies(&self) -> bool {
        self.0.all.load(Relaxed) != NEW
    }

    /// The mode of a route, and whether its successes are looked into.
    pub(crate) fn standing(&self, route: Option<&str>) -> (Mode, bool) {
        let slot = route.and_then(|route| self.known().find(|slot| *slot.pattern == *route));
        let (own, look) = slot.map_or((INHERITED, false), |slot| (slot.mode.load(Relaxed), slot.look.load(Relaxed)));
        let byte = if own == INHERITED { self.0.all.load(Relaxed) & !NAMED } else { own };
        (mode(byte), look)
    }

    fn known(&self) -> impl Iterator<Item = &Slot> {
        self.0.slots.iter().map_while(OnceLock::get)
    }

    fn slot(&self, route: &str) -> Result<&Slot, TooManyRoutes> {
        let fresh = || Slot { pattern: route.into(), mode: AtomicU8::new(INHERITED), look: AtomicBool::new(false) };
        let mut slots = self.0.slots.iter().map(|slot| slot.get_or_init(fresh));
        let found = slots.find(|slot| *slot.pattern == *route).ok_or(TooManyRoutes(()))?;
        self.0.all.fetch_or(NAMED, Relaxed);
        Ok(found)
    }
}

impl fmt::Debug for EnvelopeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.known().map(|slot| (&*slot.pattern, self.mode(Some(&slot.pattern))));
        f.debug_struct("EnvelopeHandle")
            .field("all", &self.mode(None))
            .field("routes", &Entries(routes.collect()))
            .finish()
    }
}

struct Entries<'a>(Vec<(&'a str, Mode)>);

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().copied()).finish()
    }
}

/// More routes than [`EnvelopeHandle::MAX_ROUTES`] were to have a mode of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRoutes(());

impl fmt::Display for TooManyRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} routes have a mode of their own", EnvelopeHandle::MAX_ROUTES)
    }
}

impl Error for TooManyRoutes {}

const INHERITED: u8 = 0;
const NEW: u8 = 1;
const LEGACY: u8 = 2;
const DUAL: u8 = 3;
const RAW: u8 = 4;

const NAMED: u8 = 0x80;

fn byte(mode: Mode) -> u8 {
    match mode {
        Mode::New => NEW,
        Mode::Legacy => LEGACY,
        Mode::Dual => DUAL,
        Mode::Raw => RAW,
    }
}

fn mode(byte: u8) -> Mode {
    match byte {
        LEGACY => Mode::Legacy,
        DUAL => Mode::Dual,
        RAW => Mode::Raw,
        _ => Mode::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_follows_all_until_it_has_a_mode_of_its_own() {
        let handle = EnvelopeHandle::new();
        assert!(!handle.varies());
        handle.set("/a", Mode::Legacy).unwrap();
        assert!(handle.varies());
        assert_eq!(
            (handle.mode(Some("/a")), handle.mode(Some("/b")), handle.mode(None)),
            (Mode::Legacy, Mode::New, Mode::New)
        );
        handle.set_all(Mode::Dual);
        assert_eq!((handle.mode(Some("/a")), handle.mode(Some("/b"))), (Mode::Dual, Mode::Dual));
    }

    #[test]
    fn what_is_raw_stays_raw_through_a_roll_back() {
        let handle = EnvelopeHandle::new();
        handle.set("/metrics", Mode::Raw).unwrap();
        handle.set_all(Mode::Legacy);
        handle.set_all(Mode::New);
        assert_eq!(handle.mode(Some("/metrics")), Mode::Raw);
        handle.set("/metrics", Mode::New).unwrap();
        assert_eq!(handle.mode(Some("/metrics")), Mode::New);
    }

    #[test]
    fn the_table_is_bounded() {
        let handle = EnvelopeHandle::new();
        for n in 0..EnvelopeHandle::MAX_ROUTES {
            handle.set(&n.to_string(), Mode::Legacy).unwrap();
        }
        assert!(handle.set("one more", Mode::Legacy).is_err());
        assert!(handle.set("7", Mode::Dual).is_ok());
        assert_eq!(handle.mode(Some("one more")), Mode::New);
    }

    #[test]
    fn threads_that_name_the_same_routes_share_their_slots() {
        let handle = EnvelopeHandle::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100).for_each(|n| handle.set(&n.to_string(), Mode::Raw).unwrap()));
            }
        });
        assert_eq!(handle.known().count(), 100);
        assert!((0..100).all(|n| handle.mode(Some(&n.to_string())) == Mode::Raw));
    }
}
