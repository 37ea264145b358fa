use std::{
    fmt,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use buttress_core::Notes;
use http::{HeaderValue, Uri, request::Parts};

use crate::{
    Detached, Effect, Event, EventKind, KeyForm, Lease, RecordKey, Retention, Seal, Secret, budget::Budget,
    canonical::Canonical, headers::AllowList, refusal::link, telemetry,
};

/// What becomes of a request whose equal runs still (IDM-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Followers {
    /// 409 with `Retry-After`: what is left of the lease.
    #[default]
    Refuse,
    /// It waits for the answer, at most so long, and is then refused as above.
    Wait(Duration),
}

/// What becomes of a run whose caller leaves (IDM-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leaving {
    /// It goes on in a task of its own, at most so long, and is recorded. What takes longer is dropped as below.
    Finish(Duration),
    /// It is dropped: uncertain, or free if it has no [effect](Effect).
    Abandon,
}

impl Default for Leaving {
    fn default() -> Self {
        Self::Finish(Duration::from_secs(60))
    }
}

/// Where a key is required.
#[derive(Clone, Default)]
pub(crate) enum Required {
    #[default]
    Nowhere,
    Everywhere,
    Where(Arc<dyn Fn(&Parts) -> bool + Send + Sync>),
}

type Hook = dyn Fn(&Event) + Send + Sync;
type FindUri = dyn for<'a> Fn(&'a Parts) -> &'a Uri + Send + Sync;

/// What a layer was told.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) secret: Secret,
    pub(crate) form: KeyForm,
    pub(crate) required: Required,
    /// How long keys that are made here are remembered; `None`: none is made.
    pub(crate) made: Option<Retention>,
    pub(crate) effect: Effect,
    pub(crate) lease: Lease,
    pub(crate) retention: Retention,
    pub(crate) followers: Followers,
    pub(crate) leaving: Leaving,
    pub(crate) most_detached: NonZeroUsize,
    pub(crate) detached: Detached,
    pub(crate) body_limit: usize,
    pub(crate) body_budget: Budget,
    /// How long a body may take to arrive.
    pub(crate) body_time: Duration,
    pub(crate) answer_limit: usize,
    pub(crate) answer_budget: Budget,
    pub(crate) canonical: Canonical,
    pub(crate) allowed: AllowList,
    pub(crate) uri: Option<Arc<FindUri>>,
    pub(crate) seal: Option<Arc<dyn Seal>>,
    pub(crate) hook: Option<Arc<Hook>>,
    pub(crate) documentation: HeaderValue,
    /// To that.
    pub(crate) link: HeaderValue,
    pub(crate) fail_open: bool,
    /// How long the store may take for an answer.
    pub(crate) patience: Duration,
}

/// The draft itself, where there is nothing better.
const DRAFT: &str = "https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/";

impl Settings {
    pub(crate) fn new(secret: Secret) -> Self {
        let documentation = HeaderValue::from_static(DRAFT);
        Self {
            secret,
            form: KeyForm::default(),
            required: Required::default(),
            made: None,
            effect: Effect::Outside,
            lease: Lease::default(),
            retention: Retention::default(),
            followers: Followers::default(),
            leaving: Leaving::default(),
            most_detached: NonZeroUsize::new(1_024).expect("not zero"),
            detached: Detached::default(),
            body_limit: 1 << 20,
            body_budget: Budget::new(64 << 20),
            body_time: Duration::from_secs(60),
            answer_limit: 1 << 20,
            answer_budget: Budget::new(64 << 20),
            canonical: Canonical::default(),
            allowed: AllowList::default(),
            uri: None,
            seal: None,
            hook: None,
            link: link(&documentation),
            documentation,
            fail_open: false,
            patience: Duration::from_secs(5),
        }
    }

    /// Whether requests without a key are none of its business, whatever they are.
    pub(crate) fn leaves_others_alone(&self) -> bool {
        matches!(self.required, Required::Nowhere) && self.made.is_none()
    }

    pub(crate) fn is_required(&self, parts: &Parts) -> bool {
        match &self.required {
            Required::Nowhere => false,
            Required::Everywhere => true,
            Required::Where(here) => here(parts),
        }
    }

    /// Whether an answer of this length can be recorded for now.
    pub(crate) fn has_room(&self, answer: u64) -> bool {
        let has_room = self.answer_budget.has_room(answer);
        if !has_room {
            telemetry::crowded_out();
        }
        has_room
    }

    /// What the caller asked for, whatever was cut off on the way.
    pub(crate) fn uri<'a>(&self, parts: &'a Parts) -> &'a Uri {
        self.uri.as_ref().map_or(&parts.uri, |find| find(parts))
    }

    /// Tells what a request got: in its notes as well.
    pub(crate) fn told(&self, parts: &Parts, operation: Option<RecordKey>, kind: EventKind) {
        if let Some(notes) = Notes::of(&parts.extensions) {
            notes.write(|noted| noted.idempotency = Some(kind.as_str().into()));
        }
        self.tell(operation, kind);
    }

    #[inline]
    pub(crate) fn tell(&self, operation: Option<RecordKey>, kind: EventKind) {
        let event = Event { operation, kind };
        telemetry::tell(&event);
        if let Some(hook) = &self.hook {
            // Also told while something is dropped: a panic of its own shall neither keep a key nor end the process.
            if catch_unwind(AssertUnwindSafe(|| hook(&event))).is_err() {
                telemetry::hook_panicked();
            }
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("form", &self.form)
            .field("effect", &self.effect)
            .field("lease", &self.lease)
            .field("retention", &self.retention)
            .field("followers", &self.followers)
            .field("leaving", &self.leaving)
            .field("body_limit", &self.body_limit)
            .field("body_budget", &self.body_budget.most())
            .field("answer_limit", &self.answer_limit)
            .field("answer_budget", &self.answer_budget.most())
            .field("fail_open", &self.fail_open)
            .finish_non_exhaustive()
    }
}

/// What the services of a layer share.
#[derive(Debug)]
pub(crate) struct Shared<St> {
    pub(crate) store: Arc<St>,
    pub(crate) settings: Settings,
}

impl<St> Clone for Shared<St> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), settings: self.settings.clone() }
    }
}
