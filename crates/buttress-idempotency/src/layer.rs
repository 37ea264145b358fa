use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use buttress_core::Problem;
use http::{HeaderName, HeaderValue, Uri, request::Parts};
use tower_layer::Layer;

use crate::{
    Detached, Effect, Event, Followers, Idempotency, IdempotencyStore, InvalidSetting, KeyForm, Lease, Leaving,
    NotStorable, Retention, Scope, ScopeOf, Scoped, Seal, Secret, Unscoped, Unset,
    budget::Budget,
    refusal::link,
    settings::{Required, Settings, Shared},
};

const ROOM_FOR_ONE_BODY: &str = "the budget of all bodies has room for one of the greatest length";
const ROOM_FOR_ONE_ANSWER: &str = "the budget of all answers has room for one of the greatest length";

/// Runs a request with an idempotency key once, and replays its answer.
///
/// | setting | default |
/// |---|---|
/// | [`scope`](Self::scope) or [`unscoped`](Self::unscoped) | none: one of both must be said |
/// | [`key_form`](Self::key_form) | lenient: `"abc"` and `abc` |
/// | [`require_key`](Self::require_key), [`require_key_where`](Self::require_key_where) | nowhere |
/// | [`make_keys`](Self::make_keys) | off: without a key a request passes as if the layer were not there |
/// | [`effect`](Self::effect) | outside: what was not seen to its end is uncertain |
/// | [`retention`](Self::retention) | answers 24 hours, keys 72 hours |
/// | [`lease`](Self::lease) | 30 seconds, renewed at each third |
/// | [`followers`](Self::followers) | refused with 409 |
/// | [`leaving`](Self::leaving), [`most_detached`](Self::most_detached) | runs go on for 60 seconds, 1 024 at once |
/// | [`body_limit`](Self::body_limit), [`body_time`](Self::body_time) | 1 MiB, 60 seconds |
/// | [`body_budget`](Self::body_budget) | 64 MiB for all bodies at once; 503 beyond |
/// | [`answer_limit`](Self::answer_limit) | 1 MiB |
/// | [`answer_budget`](Self::answer_budget) | 64 MiB for all answers on their way; beyond, they are not recorded |
/// | [`keep_header`](Self::keep_header) | what describes the answer |
/// | [`fail_open`](Self::fail_open), [`store_patience`](Self::store_patience) | closed: 503; 5 seconds |
///
/// A clone shares the store, both budgets, and what goes on detached; settings that are changed later are its own,
/// so that routes can differ: `layer.clone().require_key()`.
///
/// # Examples
///
/// ```
/// use buttress_idempotency::{Followers, IdempotencyLayer, MemoryStore, Retention, Scope, Secret};
/// use std::time::Duration;
///
/// #[derive(Clone)]
/// struct User(String);
///
/// let day = Duration::from_secs(24 * 3_600);
/// let layer = IdempotencyLayer::new(MemoryStore::default(), Secret::random())
///     .scope(|parts| {
///         let user = parts.extensions.get::<User>().expect("the layer above has checked who calls");
///         Ok(Scope::new(&user.0, parts.uri.path()))
///     })
///     .retention(Retention::new(day, 7 * day)?)
///     .followers(Followers::Wait(Duration::from_secs(5)));
/// # Ok::<(), buttress_idempotency::InvalidSetting>(())
/// ```
#[must_use]
#[derive(Debug)]
pub struct IdempotencyLayer<St, Sc = Unset> {
    shared: Arc<Shared<St>>,
    scope: Sc,
}

impl<St: IdempotencyStore> IdempotencyLayer<St> {
    /// A layer over a store. It is no tower layer yet: say whose keys it sees, by [`scope`](Self::scope) or
    /// [`unscoped`](Self::unscoped).
    ///
    /// All who share a store need the same secret.
    pub fn new(store: St, secret: Secret) -> Self {
        let shared = Shared { store: Arc::new(store), settings: Settings::new(secret) };
        Self { shared: Arc::new(shared), scope: Unset(()) }
    }

    /// Finds whose key it is, and for what, in the head of a request (IDM-8).
    ///
    /// It runs for requests with a key only. When it cannot tell callers from each other it returns the problem to answer
    /// with, 401 for instance.
    pub fn scope<F>(self, scope: F) -> IdempotencyLayer<St, Scoped<F>>
    where
        F: for<'a> Fn(&'a Parts) -> Result<Scope<'a>, Problem>,
    {
        IdempotencyLayer { shared: self.shared, scope: Scoped(scope) }
    }

    /// Says that there is but one caller, behind whatever credentials: who else knows a key sees its answer.
    pub fn unscoped(self) -> IdempotencyLayer<St, Unscoped> {
        IdempotencyLayer { shared: self.shared, scope: Unscoped(()) }
    }
}

impl<St: IdempotencyStore, Sc> IdempotencyLayer<St, Sc> {
    /// In which forms keys are accepted.
    pub fn key_form(self, form: KeyForm) -> Self {
        self.with(|settings| settings.form = form)
    }

    /// Refuses `POST` and `PATCH` without a key with 400 (IDM-3).
    pub fn require_key(self) -> Self {
        self.with(|settings| settings.required = Required::Everywhere)
    }

    /// Refuses `POST` and `PATCH` without a key where `here` says so.
    pub fn require_key_where(self, here: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.required = Required::Where(Arc::new(here)))
    }

    /// Where callers can read about keys; it is linked in the problems that are about them. The default is the draft.
    pub fn documentation(self, url: HeaderValue) -> Self {
        self.with(|settings| (settings.link, settings.documentation) = (link(&url), url))
    }

    /// Makes a key where none is sent: scope, method, path, query and body are the key, and it is remembered for
    /// `window` from the end of the run.
    ///
    /// A caller who presses twice within that time gets one job and two answers; who wants two jobs sends two keys.
    ///
    /// # Errors
    ///
    /// When the window has no length, or a hundred years.
    pub fn make_keys(self, window: Duration) -> Result<Self, InvalidSetting> {
        let made = Retention::new(window, window)?;
        Ok(self.with(|settings| settings.made = Some(made)))
    }

    /// Whether what runs below has an effect outside of this server.
    ///
    /// By default it has: a run that was not seen to its end leaves its key *uncertain*, and nothing runs a second time.
    /// With [`Effect::None`] the key is then free.
    pub fn effect(self, effect: Effect) -> Self {
        self.with(|settings| settings.effect = effect)
    }

    /// How long answers and keys are kept. Publish it to your callers (IDM-18).
    pub fn retention(self, retention: Retention) -> Self {
        self.with(|settings| settings.retention = retention)
    }

    /// How long a run counts as alive without a word. It is renewed as long as the run lives, however long that is.
    pub fn lease(self, lease: Lease) -> Self {
        self.with(|settings| settings.lease = lease)
    }

    /// What becomes of a request whose equal runs still.
    pub fn followers(self, followers: Followers) -> Self {
        self.with(|settings| settings.followers = followers)
    }

    /// What becomes of a run whose caller leaves.
    pub fn leaving(self, leaving: Leaving) -> Self {
        self.with(|settings| settings.leaving = leaving)
    }

    /// How many runs go on without their callers at once; those beyond are dropped as by [`Leaving::Abandon`].
    pub fn most_detached(self, most: NonZeroUsize) -> Self {
        self.with(|settings| settings.most_detached = most)
    }

    /// The longest body of a request with a key, in bytes: it is read whole before it runs. Beyond it: 413 (IDM-17).
    ///
    /// # Errors
    ///
    /// When it is more than the [budget](Self::body_budget) of all bodies together: give them a larger one before.
    pub fn body_limit(self, bytes: usize) -> Result<Self, InvalidSetting> {
        InvalidSetting::unless(bytes <= self.shared.settings.body_budget.most(), ROOM_FOR_ONE_BODY)?;
        Ok(self.with(|settings| settings.body_limit = bytes))
    }

    /// How many bytes the bodies of all requests with a key take together, from when they arrive until the service below
    /// has read them, or for as long as their requests wait. For whose body there is no room left, it is 503 `unavailable`
    /// with `Retry-After`; nothing has run, and the same key can be used again.
    ///
    /// Bytes count when they are there: a caller who promises many, and sends few, takes room from nobody. Layers that are
    /// cloned from this one later share the budget with it.
    ///
    /// It does not know callers from each other: one who sends many bodies at once, and leaves each one unfinished, has all
    /// of the room for as long as [a body may take](Self::body_time). A layer above that lets each caller have but a few
    /// requests at once keeps room for the others.
    ///
    /// # Errors
    ///
    /// When it has no room for [one body](Self::body_limit) of the greatest length.
    pub fn body_budget(self, bytes: usize) -> Result<Self, InvalidSetting> {
        InvalidSetting::unless(bytes >= self.shared.settings.body_limit, ROOM_FOR_ONE_BODY)?;
        Ok(self.with(|settings| settings.body_budget = Budget::new(bytes)))
    }

    /// How long the body of a request with a key may take to arrive: 60 seconds unless said otherwise. Beyond it: 408.
    ///
    /// # Errors
    ///
    /// When it is no time at all.
    pub fn body_time(self, time: Duration) -> Result<Self, InvalidSetting> {
        InvalidSetting::unless(!time.is_zero(), "a body takes more than no time")?;
        Ok(self.with(|settings| settings.body_time = time))
    }

    /// The longest body of an answer that is recorded, in bytes. Longer ones go to their caller and are recorded as done,
    /// but cannot be replayed (IDM-17).
    ///
    /// # Errors
    ///
    /// When it is more than the [budget](Self::answer_budget) of all answers together: give them a larger one before.
    pub fn answer_limit(self, bytes: usize) -> Result<Self, InvalidSetting> {
        InvalidSetting::unless(bytes <= self.shared.settings.answer_budget.most(), ROOM_FOR_ONE_ANSWER)?;
        Ok(self.with(|settings| settings.answer_limit = bytes))
    }

    /// How many bytes the bodies of all answers take together that are to be recorded, from when they come until the store
    /// has them. One for which there is no room left goes to its caller as it comes, and is recorded as one that is
    /// [too long](Self::answer_limit); the counter `buttress_idempotency_answers_crowded_out_total` tells how often.
    ///
    /// Bytes count when they are there. A slow caller keeps those of its answer here for as long as it takes them, as does
    /// a store until it has answered. Layers that are cloned from this one later share the budget with it.
    ///
    /// # Errors
    ///
    /// When it has no room for [one answer](Self::answer_limit) of the greatest length.
    pub fn answer_budget(self, bytes: usize) -> Result<Self, InvalidSetting> {
        InvalidSetting::unless(bytes >= self.shared.settings.answer_limit, ROOM_FOR_ONE_ANSWER)?;
        Ok(self.with(|settings| settings.answer_budget = Budget::new(bytes)))
    }

    /// Compares bodies in JSON by what they say: spaces and the order of members do not count.
    #[cfg(feature = "json")]
    pub fn canonical_json(self) -> Self {
        self.with(|settings| settings.canonical = crate::canonical::Canonical::Json)
    }

    /// Records one more header of answers.
    ///
    /// # Errors
    ///
    /// For headers that are never recorded (IDM-16).
    pub fn keep_header(self, name: HeaderName) -> Result<Self, NotStorable> {
        let mut refused = Ok(());
        let layer = self.with(|settings| refused = settings.allowed.add(name));
        refused.map(|()| layer)
    }

    /// Finds the address that the caller asked for where routers cut parts of it off, as axum's `nest` does:
    ///
    /// ```text
    /// .original_uri(|parts| parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0))
    /// ```
    pub fn original_uri(self, find: impl for<'a> Fn(&'a Parts) -> &'a Uri + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.uri = Some(Arc::new(find)))
    }

    /// Encrypts what is recorded.
    pub fn seal(self, seal: impl Seal) -> Self {
        self.with(|settings| settings.seal = Some(Arc::new(seal)))
    }

    /// Hands every [`Event`] to `hook` as well; a second hook takes the place of the first.
    ///
    /// Let it be short. If it panics, the request goes on.
    pub fn on_event(self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.hook = Some(Arc::new(hook)))
    }

    /// Lets requests run without protection when the store cannot be asked, instead of refusing them with 503 (IDM-19).
    ///
    /// Such a run ends when its caller leaves. A request that has [waited](Followers::Wait) for an equal one is refused all
    /// the same: that one has begun.
    pub fn fail_open(self) -> Self {
        self.with(|settings| settings.fail_open = true)
    }

    /// How long the store may take for an answer before it counts as down.
    ///
    /// # Errors
    ///
    /// When it is no time at all.
    pub fn store_patience(self, patience: Duration) -> Result<Self, InvalidSetting> {
        InvalidSetting::unless(!patience.is_zero(), "a store takes more than no time")?;
        Ok(self.with(|settings| settings.patience = patience))
    }

    /// The runs that go on without their callers.
    #[must_use]
    pub fn detached(&self) -> Detached {
        self.shared.settings.detached.clone()
    }

    /// The store: to look at a key and to purge it, by the `operation` that answers and logs tell.
    #[must_use]
    pub fn store(&self) -> &St {
        &self.shared.store
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut Arc::make_mut(&mut self.shared).settings);
        self
    }
}

impl<St, Sc: Clone> Clone for IdempotencyLayer<St, Sc> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), scope: self.scope.clone() }
    }
}

impl<S, St, Sc> Layer<S> for IdempotencyLayer<St, Sc>
where
    St: IdempotencyStore,
    Sc: ScopeOf + Clone,
{
    type Service = Idempotency<S, St, Sc>;

    fn layer(&self, inner: S) -> Self::Service {
        Idempotency::new(inner, self.shared.clone(), self.scope.clone())
    }
}
