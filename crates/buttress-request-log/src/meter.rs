use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use http::{Method, StatusCode};
use metrics::{Key, Label, Metadata, SharedString, Unit, describe_counter, describe_histogram, with_recorder};

use crate::{Outcome, Record};

const REQUESTS: &str = "buttress_requests_total";
const DURATION: &str = "buttress_request_duration_seconds";
const FIRST_BYTE: &str = "buttress_request_first_byte_seconds";
const REQUEST_BYTES: &str = "buttress_request_bytes_total";
const RESPONSE_BYTES: &str = "buttress_response_bytes_total";

/// How many routes have labels of their own; those beyond are `other`.
const ROUTES: usize = 500;
const OTHER: &str = "other";

const METADATA: Metadata<'static> = Metadata::new("buttress_request_log", metrics::Level::INFO, Some(module_path!()));

/// Counts requests. Every label has a bound, whatever callers send.
///
/// Kept are the keys, not the handles: a recorder that is installed late, or that forgets what was idle, stays right.
#[derive(Default)]
pub(crate) struct Meter {
    routes: RwLock<HashMap<Box<str>, Route>>,
}

/// The keys of one route: few, since few methods, statuses and outcomes meet on it.
type Route = Vec<(Kind, Arc<Keys>)>;

/// The labels of a request beside its route.
#[derive(Clone, Copy, PartialEq)]
struct Kind {
    method: &'static str,
    status: &'static str,
    outcome: Outcome,
}

struct Keys {
    requests: Key,
    duration: Key,
    first_byte: Key,
    request_bytes: Key,
    response_bytes: Key,
}

impl Meter {
    pub(crate) fn count(&self, record: &Record) {
        let keys = self.keys(record);
        with_recorder(|recorder| {
            recorder.register_counter(&keys.requests, &METADATA).increment(1);
            recorder.register_histogram(&keys.duration, &METADATA).record(record.duration.as_secs_f64());
            if let Some(time) = record.time_to_first_byte {
                recorder.register_histogram(&keys.first_byte, &METADATA).record(time.as_secs_f64());
            }
            if let Some(bytes) = record.request_bytes {
                recorder.register_counter(&keys.request_bytes, &METADATA).increment(bytes);
            }
            recorder.register_counter(&keys.response_bytes, &METADATA).increment(record.response_bytes);
        });
    }

    fn keys(&self, record: &Record) -> Arc<Keys> {
        let kind = Kind::of(record);
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let route = within(&routes, &record.route);
        if let Some(keys) = find(&routes, route, kind) {
            return keys;
        }
        drop(routes);
        describe();
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here first.
        let route = within(&routes, &record.route);
        find(&routes, route, kind).unwrap_or_else(|| {
            let keys = Arc::new(Keys::new(route, kind));
            routes.entry(route.into()).or_default().push((kind, keys.clone()));
            keys
        })
    }
}

/// The route, if it has a place in the table or can have one.
fn within<'a>(routes: &HashMap<Box<str>, Route>, route: &'a str) -> &'a str {
    if routes.len() < ROUTES || routes.contains_key(route) { route } else { OTHER }
}

fn find(routes: &HashMap<Box<str>, Route>, route: &str, kind: Kind) -> Option<Arc<Keys>> {
    let (_, keys) = routes.get(route)?.iter().find(|(known, _)| *known == kind)?;
    Some(keys.clone())
}

impl Kind {
    fn of(record: &Record) -> Self {
        Self { method: method(&record.method), status: class(record.status), outcome: record.outcome }
    }
}

impl Keys {
    fn new(route: &str, kind: Kind) -> Self {
        let route = Label::new("route", SharedString::from(Arc::<str>::from(route)));
        let requests = vec![
            route.clone(),
            Label::from_static_parts("method", kind.method),
            Label::from_static_parts("status", kind.status),
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
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => OTHER,
    }
}

fn class(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        Some(_) => OTHER,
        None => "none",
    }
}
