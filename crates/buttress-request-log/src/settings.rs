use std::{borrow::Cow, fmt, sync::Arc};

use http::request::Parts;
use tracing::{Level, Span, level_filters::LevelFilter};

use crate::{Record, event, meter::Meter, site::Sites};

pub(crate) type FindRoute = dyn Fn(&Parts) -> Option<Cow<'static, str>> + Send + Sync;
type Hook = dyn Fn(&Record) + Send + Sync;

/// What a layer was told, shared by its services.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) sites: &'static Sites,
    pub(crate) severity: Severity,
    pub(crate) route: Option<Arc<FindRoute>>,
    pub(crate) hook: Option<Arc<Hook>>,
    pub(crate) announce_streams: bool,
    pub(crate) meter: Arc<Meter>,
}

/// At which level a line is written.
#[derive(Clone)]
pub(crate) enum Severity {
    Fixed(Level),
    By(Arc<dyn Fn(&Record) -> Level + Send + Sync>),
}

impl Settings {
    /// Whether a record would be looked at.
    pub(crate) fn wants_records(&self) -> bool {
        self.hook.is_some()
            || match &self.severity {
                Severity::Fixed(level) => *level <= LevelFilter::current() && self.sites.at(*level).is_enabled(),
                Severity::By(_) => anybody_listens(),
            }
    }

    /// Writes the line of a request that has ended and tells the hook.
    pub(crate) fn tell(&self, record: &Record, span: Option<&Span>) {
        self.write("request_finished", record, span);
        if let Some(hook) = &self.hook {
            hook(record);
        }
    }

    pub(crate) fn write(&self, message: &str, record: &Record, span: Option<&Span>) {
        let level = match &self.severity {
            Severity::Fixed(level) => *level,
            Severity::By(choose) => choose(record),
        };
        let site = self.sites.at(level);
        if site.is_enabled() {
            event::write(site, message, record, span);
        }
    }
}

/// Whether there is a subscriber that wants anything at all.
pub(crate) fn anybody_listens() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sites: Sites::of("buttress_request_log"),
            severity: Severity::Fixed(Level::INFO),
            route: None,
            hook: None,
            announce_streams: false,
            meter: Arc::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sites, severity, route, hook, announce_streams, meter: _ } = self;
        let level = match severity {
            Severity::Fixed(level) => level.as_str(),
            Severity::By(_) => "by record",
        };
        f.debug_struct("Settings")
            .field("target", &sites.target())
            .field("level", &level)
            .field("route", &route.is_some())
            .field("on_request", &hook.is_some())
            .field("announce_streams", announce_streams)
            .finish()
    }
}
