//! The settings as `/_sim/settings` takes and shows them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    EventMode, Settings, UnknownModel, VipRefusal, span,
    world::{Conflict, Live},
};

/// A partial change; what is missing stays.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Patch {
    #[serde(with = "span::option")]
    step: Option<Duration>,
    balance: Option<f64>,
    vip: Option<bool>,
    /// Replaces all switches; those missing are as by default.
    events: Option<EventMode>,
    #[serde(with = "span::option")]
    visibility_delay: Option<Duration>,
    #[serde(with = "span::option")]
    heartbeat: Option<Duration>,
    vip_refusal: Option<VipRefusal>,
    unknown_model: Option<UnknownModel>,
    projects: Option<Vec<Uuid>>,
    scenes: Option<Vec<Uuid>>,
    styles: Option<Vec<String>>,
    fail_next_jobs: Option<usize>,
    conflict_next_job: Option<bool>,
}

/// All that [`Patch`] can change.
#[derive(Debug, Serialize)]
pub(crate) struct View<'a> {
    #[serde(with = "span")]
    step: Duration,
    balance: f64,
    vip: bool,
    events: &'a EventMode,
    #[serde(with = "span")]
    visibility_delay: Duration,
    #[serde(with = "span")]
    heartbeat: Duration,
    vip_refusal: u16,
    unknown_model: u16,
    projects: &'a [Uuid],
    scenes: &'a [Uuid],
    styles: &'a [String],
    fail_next_jobs: usize,
    conflict_next_job: bool,
}

impl Patch {
    pub(crate) fn apply(self, live: &mut Live) {
        let Self {
            step,
            balance,
            vip,
            events,
            visibility_delay,
            heartbeat,
            vip_refusal,
            unknown_model,
            projects,
            scenes,
            styles,
            fail_next_jobs,
            conflict_next_job,
        } = self;
        let settings = &mut live.settings;
        set(&mut settings.step, step);
        set(&mut settings.balance, balance);
        set(&mut settings.vip, vip);
        set(&mut settings.events, events);
        set(&mut settings.visibility_delay, visibility_delay);
        set(&mut settings.heartbeat, heartbeat);
        set(&mut settings.vip_refusal, vip_refusal);
        set(&mut settings.unknown_model, unknown_model);
        set(&mut settings.projects, projects);
        set(&mut settings.scenes, scenes);
        set(&mut settings.styles, styles);
        set(&mut live.doomed, fail_next_jobs);
        let conflict = conflict_next_job.map(|on| if on { Conflict::Armed } else { Conflict::None });
        set(&mut live.conflict, conflict);
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

impl<'a> From<&'a Live> for View<'a> {
    fn from(live: &'a Live) -> Self {
        let settings: &Settings = &live.settings;
        Self {
            step: settings.step,
            balance: settings.balance,
            vip: settings.vip,
            events: &settings.events,
            visibility_delay: settings.visibility_delay,
            heartbeat: settings.heartbeat,
            vip_refusal: match settings.vip_refusal {
                VipRefusal::PaymentRequired => 402,
                VipRefusal::Forbidden => 403,
            },
            unknown_model: match settings.unknown_model {
                UnknownModel::NotFound => 404,
                UnknownModel::Unprocessable => 422,
            },
            projects: &settings.projects,
            scenes: &settings.scenes,
            styles: &settings.styles,
            fail_next_jobs: live.doomed,
            conflict_next_job: live.conflict != Conflict::None,
        }
    }
}

impl TryFrom<u16> for VipRefusal {
    type Error = &'static str;

    fn try_from(status: u16) -> Result<Self, Self::Error> {
        match status {
            402 => Ok(Self::PaymentRequired),
            403 => Ok(Self::Forbidden),
            _ => Err("vip_refusal is 402 or 403"),
        }
    }
}

impl TryFrom<u16> for UnknownModel {
    type Error = &'static str;

    fn try_from(status: u16) -> Result<Self, Self::Error> {
        match status {
            404 => Ok(Self::NotFound),
            422 => Ok(Self::Unprocessable),
            _ => Err("unknown_model is 404 or 422"),
        }
    }
}
