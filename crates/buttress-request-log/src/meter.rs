use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::{Method, StatusCode};
use metrics::{
    Counter, Histogram, Key, Label, Metadata, SharedString, Unit, describe_counter, describe_histogram, with_recorder,
};

use tokio::time::Instant;

use crate::{Outcome, counted::Counted};

const REQUESTS: &str = "buttress_requests_total";
const DURATION: &str = "buttress_request_duration_seconds";
const FIRST_BYTE: &str = "buttress_request_first_byte_seconds";
const REQUEST_BYTES: &str = "buttress_request_bytes_total";
const RESPONSE_BYTES: &str = "buttress_response_bytes_total";

/// How many routes have labels of their own; those beyond are `other`.
const ROUTES: usize = 500;
const OTHER: &str = "other";

const METADATA: Metadata<'static> = Metadata::new("buttress_request_log", metrics::Level::INFO, Some(module_path!()));

/// How long handles are used before the recorder is asked for them again.
///
/// A recorder may be installed late, and may forget what has been idle for long: handles from before count into nothing.
const FRESH: Duration = Duration::from_secs(1);

/// Counts requests. Every label has a bound, whatever callers send.
#[derive(Default)]
pub(crate) struct Meter {
    routes: RwLock<Routes>,
}

type Routes = HashMap<Box<str>, Route, BuildHasherDefault<Words>>;

/// What is counted on one route: few series, since few methods, statuses and outcomes meet on it.
type Route = Vec<(Kind, Arc<Series>)>;

/// The labels of a request beside its route, the first two by their places in [`METHODS`] and [`CLASSES`].
#[derive(Clone, Copy, PartialEq)]
struct Kind {
    method: u8,
    status: u8,
    outcome: Outcome,
}

const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", OTHER];
const CLASSES: [&str; 7] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx", OTHER];

struct Keys {
    requests: Key,
    duration: Key,
    first_byte: Key,
    request_bytes: Key,
    response_bytes: Key,
}

/// The handles of a recorder for these keys.
struct Series {
    keys: Arc<Keys>,
    /// How long they are used.
    until: Instant,
    requests: Counter,
    duration: Histogram,
    first_byte: Histogram,
    request_bytes: Counter,
    response_bytes: Counter,
}

impl Meter {
    /// Counts a request that ended at this moment.
    pub(crate) fn count(&self, request: &Counted<'_>, now: Instant) {
        let series = self.series(request, now);
        series.requests.increment(1);
        series.duration.record(request.duration.as_secs_f64());
        if let Some(time) = request.time_to_first_byte {
            series.first_byte.record(time.as_secs_f64());
        }
        if let Some(bytes) = request.request_bytes {
            series.request_bytes.increment(bytes);
        }
        series.response_bytes.increment(request.response_bytes);
    }

    fn series(&self, request: &Counted<'_>, now: Instant) -> Arc<Series> {
        let kind = Kind::of(request);
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let known = find(&routes, within(&routes, request.route), kind);
        drop(routes);
        match known {
            Some(series) if now < series.until => series,
            known => self.renew(request.route, kind, known, now),
        }
    }

    /// Asks the recorder, with none of our locks held, and keeps its handles.
    fn renew(&self, route: &str, kind: Kind, known: Option<Arc<Series>>, now: Instant) -> Arc<Series> {
        let route = self.admit(route);
        let keys = known.map_or_else(|| Arc::new(Keys::new(route, kind)), |series| series.keys.clone());
        describe();
        let series = Arc::new(Series::new(keys, now));
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let of_route = routes.entry(route.into()).or_default();
        of_route.retain(|(known, _)| *known != kind);
        of_route.push((kind, series.clone()));
        series
    }

    /// The route if it has a place in the table or gets one now.
    fn admit<'a>(&self, route: &'a str) -> &'a str {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let route = within(&routes, route);
        routes.entry(route.into()).or_default();
        route
    }
}

/// The route if it has a place in the table or can have one.
fn within<'a>(routes: &Routes, route: &'a str) -> &'a str {
    if routes.len() < ROUTES || routes.contains_key(route) { route } else { OTHER }
}

fn find(routes: &Routes, route: &str, kind: Kind) -> Option<Arc<Series>> {
    let (_, series) = routes.get(route)?.iter().find(|(known, _)| *known == kind)?;
    Some(series.clone())
}

impl Series {
    fn new(keys: Arc<Keys>, now: Instant) -> Self {
        with_recorder(|recorder| Self {
            until: now + FRESH,
            requests: recorder.register_counter(&keys.requests, &METADATA),
            duration: recorder.register_histogram(&keys.duration, &METADATA),
            first_byte: recorder.register_histogram(&keys.first_byte, &METADATA),
            request_bytes: recorder.register_counter(&keys.request_bytes, &METADATA),
            response_bytes: recorder.register_counter(&keys.response_bytes, &METADATA),
            keys: keys.clone(),
        })
    }
}

impl Kind {
    fn of(request: &Counted<'_>) -> Self {
        Self { method: method(request.method), status: class(request.status), outcome: request.outcome }
    }
}

impl Keys {
    fn new(route: &str, kind: Kind) -> Self {
        let route = Label::new("route", SharedString::from(Arc::<str>::from(route)));
        let requests = vec![
            route.clone(),
            Label::from_static_parts("method", METHODS[usize::from(kind.method)]),
            Label::from_static_parts("status", CLASSES[usize::from(kind.status)]),
            Label::from_static_parts("outcome", kind.outcome.as_str()),
        ];
        let of_route = |name: &'static str| Key::from_parts(name, vec![route.clone()]);
        Self {
            requests: Key::from_parts(REQUESTS, requests),
            duration: of_route(DURATION),
            first_byte: of_route(FIRST_BYTE),
            request_bytes: of_route(REQUEST_BYTES),
            response_bytes: of_route(RESPONSE_BYTES),
        }
    }
}

fn describe() {
    describe_counter!(REQUESTS, Unit::Count, "Requests that have ended");
    describe_histogram!(DURATION, Unit::Seconds, "From the call until the end of the answer");
    describe_histogram!(FIRST_BYTE, Unit::Seconds, "From the call until the first data of the answer");
    describe_counter!(REQUEST_BYTES, Unit::Bytes, "Lengths of request bodies, as their heads said");
    describe_counter!(RESPONSE_BYTES, Unit::Bytes, "Bytes of response bodies that went out");
}

/// Callers can make up methods: those beyond the standard are one.
fn method(method: &Method) -> u8 {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => 9,
    }
}

fn class(status: Option<StatusCode>) -> u8 {
    match status.map(|status| status.as_u16() / 100) {
        Some(class @ 1..=5) => class as u8,
        Some(_) => 6,
        None => 0,
    }
}

/// Eight bytes at a time, as routes are short. The table is too small for collisions to hurt, whoever chooses the routes.
#[derive(Default)]
struct Words(u64);

impl Words {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        self.add(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(byte.into());
    }

    fn finish(&self) -> u64 {
        // A product is best at its top, a table looks at the bottom as well.
        self.0 ^ self.0 >> 32
    }
}
