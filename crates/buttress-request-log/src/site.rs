use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use tracing::{
    Level, Metadata,
    callsite::{self, Callsite, Identifier},
    dispatcher,
    field::{Field, FieldSet},
    level_filters::{LevelFilter, STATIC_MAX_LEVEL},
    metadata::Kind,
    subscriber::Interest,
};

use crate::event::FIELDS;

const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

const SOMETIMES: u8 = 0;
const NEVER: u8 = 1;
const ALWAYS: u8 = 2;

/// The places that lines of one target come from, one for each level.
///
/// The macros of `tracing` want target and level when they are compiled; these are known when a layer is made.
pub(crate) struct Sites {
    target: &'static str,
    sites: [Site; LEVELS.len()],
}

/// One such place, as subscribers know it.
pub(crate) struct Site {
    metadata: OnceLock<Metadata<'static>>,
    fields: OnceLock<Vec<Field>>,
    interest: AtomicU8,
}

impl Sites {
    /// The places of a target. They are kept for good, as subscribers keep them: once for each target.
    pub(crate) fn of(target: &'static str) -> &'static Self {
        static KNOWN: Mutex<Vec<&'static Sites>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sites) = known.iter().find(|sites| sites.target == target) {
            return sites;
        }
        let sites: &'static Self = Box::leak(Box::new(Self { target, sites: LEVELS.map(|_| Site::new()) }));
        for (site, level) in sites.sites.iter().zip(LEVELS) {
            site.describe(target, level);
        }
        known.push(sites);
        // Subscribers are asked about it: none of our locks is held meanwhile.
        drop(known);
        sites.sites.iter().for_each(|site| callsite::register(site));
        sites
    }

    pub(crate) fn target(&self) -> &'static str {
        self.target
    }

    pub(crate) fn at(&'static self, level: Level) -> &'static Site {
        let index = LEVELS.iter().position(|known| *known == level);
        &self.sites[index.expect("tracing has five levels")]
    }
}

impl Site {
    fn new() -> Self {
        Self { metadata: OnceLock::new(), fields: OnceLock::new(), interest: AtomicU8::new(SOMETIMES) }
    }

    fn describe(&'static self, target: &'static str, level: Level) {
        let fields = FieldSet::new(&FIELDS, Identifier(self));
        let module = Some(module_path!());
        let metadata = Metadata::new("request", target, level, None, None, module, fields, Kind::EVENT);
        self.fields.get_or_init(|| metadata.fields().iter().collect());
        self.metadata.get_or_init(|| metadata);
    }

    pub(crate) fn metadata(&'static self) -> &'static Metadata<'static> {
        self.metadata.get().expect("a site is described before it is handed out")
    }

    /// The fields of [`FIELDS`], in that order.
    pub(crate) fn fields(&self) -> &[Field] {
        self.fields.get().expect("a site is described before it is handed out")
    }

    /// Whether anyone wants a line from here.
    pub(crate) fn is_enabled(&'static self) -> bool {
        let metadata = self.metadata();
        let level = metadata.level();
        *level <= STATIC_MAX_LEVEL
            && *level <= LevelFilter::current()
            && match self.interest.load(Ordering::Relaxed) {
                NEVER => false,
                ALWAYS => true,
                _ => dispatcher::get_default(|subscriber| subscriber.enabled(metadata)),
            }
    }
}

impl Callsite for Site {
    fn set_interest(&self, interest: Interest) {
        let interest = match interest {
            interest if interest.is_never() => NEVER,
            interest if interest.is_always() => ALWAYS,
            _ => SOMETIMES,
        };
        self.interest.store(interest, Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get().expect("a site is described before it is registered")
    }
}
