//! What a simulator is started with, and what can be changed while it runs.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::Deserialize;
use uuid::Uuid;

use crate::EventMode;

/// The token that a simulator asks for unless [`Settings::token`] says otherwise.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A project that exists in every simulator.
pub const PROJECT: Uuid = Uuid::from_u128(0x117d_eba5_3f05_4a36_a92f_812f_81f2_aa92);

/// A scene that exists in every simulator.
pub const SCENE: Uuid = Uuid::from_u128(0xceaf_7565_3f4a_4e75_a5bf_4ea3_a8b5_e1f1);

/// Settings of a simulator; each has a default, and a setter of the same name.
///
/// ```
/// use std::time::Duration;
/// use superduperai_sim::{EventMode, Settings};
///
/// let settings = Settings::default()
///     .step(Duration::from_millis(5))
///     .balance(2.5)
///     .events(EventMode::silent());
/// # let _ = settings;
/// ```
#[must_use]
#[non_exhaustive]
#[derive(Clone)]
pub struct Settings {
    pub(crate) step: Duration,
    pub(crate) token: String,
    pub(crate) bind: SocketAddr,
    pub(crate) balance: f64,
    pub(crate) vip: bool,
    pub(crate) events: EventMode,
    pub(crate) visibility_delay: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) vip_refusal: VipRefusal,
    pub(crate) unknown_model: UnknownModel,
    pub(crate) projects: Vec<Uuid>,
    pub(crate) scenes: Vec<Uuid>,
    pub(crate) styles: Vec<String>,
}

/// How a user without VIP is told that a model needs it.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub enum VipRefusal {
    /// 402, as if credits were short.
    PaymentRequired,
    /// 403.
    Forbidden,
}

/// How a request is refused that names no known model.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub enum UnknownModel {
    /// 404 with `Generation config not found`.
    NotFound,
    /// 422 with the same text in a list of problems.
    Unprocessable,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            step: Duration::from_millis(400),
            token: TOKEN.to_owned(),
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            balance: 1000.0,
            vip: true,
            events: EventMode::default(),
            visibility_delay: Duration::ZERO,
            heartbeat: Duration::from_secs(15),
            vip_refusal: VipRefusal::PaymentRequired,
            unknown_model: UnknownModel::NotFound,
            projects: vec![PROJECT],
            scenes: vec![SCENE],
            styles: vec!["flux_watercolor".to_owned(), "flux_steampunk".to_owned()],
        }
    }
}

impl Settings {
    /// How long each of a job's four steps takes; 400 ms. A change reaches running jobs at their next step.
    pub fn step(mut self, step: Duration) -> Self {
        self.step = step;
        self
    }

    /// The bearer token to ask for; [`TOKEN`].
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = token.into();
        self
    }

    /// Where to listen; `127.0.0.1:0`, a free port. Read once, at start.
    pub fn bind(mut self, bind: SocketAddr) -> Self {
        self.bind = bind;
        self
    }

    /// Credits of the user; 1000.
    pub fn balance(mut self, credits: f64) -> Self {
        self.balance = credits;
        self
    }

    /// Whether the user may use models that need VIP; yes.
    pub fn vip(mut self, vip: bool) -> Self {
        self.vip = vip;
        self
    }

    /// How event streams behave; see [`EventMode`].
    pub fn events(mut self, events: EventMode) -> Self {
        self.events = events;
        self
    }

    /// How long a new file answers 404 after its creation; not at all.
    pub fn visibility_delay(mut self, delay: Duration) -> Self {
        self.visibility_delay = delay;
        self
    }

    /// Time between two heartbeat comments on an event stream; 15 s. A change reaches streams at their next one.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// The answer to a user without VIP; 402.
    pub fn vip_refusal(mut self, refusal: VipRefusal) -> Self {
        self.vip_refusal = refusal;
        self
    }

    /// The answer to an unknown model; 404.
    pub fn unknown_model(mut self, answer: UnknownModel) -> Self {
        self.unknown_model = answer;
        self
    }

    /// Adds a project that exists, next to [`PROJECT`].
    pub fn project(mut self, id: Uuid) -> Self {
        self.projects.push(id);
        self
    }

    /// Adds a scene that exists, next to [`SCENE`].
    pub fn scene(mut self, id: Uuid) -> Self {
        self.scenes.push(id);
        self
    }

    /// Adds a style that exists, next to `flux_watercolor` and `flux_steampunk`.
    pub fn style(mut self, name: impl Into<String>) -> Self {
        self.styles.push(name.into());
        self
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("step", &self.step)
            .field("bind", &self.bind)
            .field("balance", &self.balance)
            .field("vip", &self.vip)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
