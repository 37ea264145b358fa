//! Whether an order is accepted: known model, VIP, credits, known ids, in this order.

use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::{
    UnknownModel, VipRefusal,
    detail::Refusal,
    models::{self, Model},
    order::{Order, Reference},
    store::Files,
    wire::ReferenceRead,
    worker,
    world::{Live, World},
};

/// An order that was accepted.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) order: Order,
    pub(crate) model: Option<&'static Model>,
    pub(crate) references: Vec<ReferenceRead>,
    /// Why its jobs fail in the worker, if they do.
    pub(crate) refusal: Option<&'static str>,
}

pub(crate) fn admit(world: &World, order: Order) -> Result<Admitted, Refusal> {
    let references = references(&world.files(), &order.references);
    let mut live = world.live();
    let model = order.model.as_deref();
    let model = model.map(|name| find(name, &live)).transpose()?;
    affordable(&order, model, &live)?;
    let references = references.filter(|_| consistent(&order, &live)).ok_or_else(Refusal::conflict)?;
    if live.conflict.strikes(order.seed) {
        return Err(Refusal::conflict());
    }
    let refusal = worker::refuses(&order, model);
    Ok(Admitted { order, model, references, refusal })
}

fn find(name: &str, live: &Live) -> Result<&'static Model, Refusal> {
    let detail = "Generation config not found";
    models::find(name).ok_or_else(|| match live.settings.unknown_model {
        UnknownModel::NotFound => Refusal::new(StatusCode::NOT_FOUND, detail),
        UnknownModel::Unprocessable => Refusal::unprocessable(vec![json!({
            "type": "value_error", "loc": ["body", "config", "generation_config_name"],
            "msg": format!("Value error, {detail}"), "input": name, "ctx": { "error": {} },
        })]),
    })
}

fn affordable(order: &Order, model: Option<&Model>, live: &Live) -> Result<(), Refusal> {
    let Some(model) = model else { return Ok(()) };
    if model.needs_vip() && !live.settings.vip {
        return Err(match live.settings.vip_refusal {
            VipRefusal::PaymentRequired => Refusal::payment_required(),
            VipRefusal::Forbidden => Refusal::forbidden(),
        });
    }
    let price = model.price(order.duration) * order.copies as f64;
    if live.settings.balance < price {
        return Err(Refusal::payment_required());
    }
    Ok(())
}

fn consistent(order: &Order, live: &Live) -> bool {
    let known = |ids: &[Uuid], id: Option<Uuid>| id.is_none_or(|id| ids.contains(&id));
    let (settings, style) = (&live.settings, order.style.as_ref());
    known(&settings.projects, order.project_id)
        && known(&settings.scenes, order.scene_id)
        && style.is_none_or(|style| settings.styles.contains(style))
}

/// The files referred to; none if one of them does not exist.
fn references(files: &Files, asked: &[Reference]) -> Option<Vec<ReferenceRead>> {
    let find = |one: &Reference| {
        let file = &files.get(Uuid::parse_str(&one.id).ok()?)?.file;
        Some(ReferenceRead { kind: one.kind, reference_id: Some(one.id.clone()), reference: Some(file.short()) })
    };
    asked.iter().map(find).collect()
}
