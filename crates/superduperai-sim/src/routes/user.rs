//! `GET /api/v1/user/me` and `/api/v1/ping`

use axum::extract::State;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Shared;
use crate::body::Json;

/// The one user there is.
pub(super) const ID: Uuid = Uuid::from_u128(0x6752_78c6_3d91_4671_954b_d9c1_23ef_e83f);

pub(super) async fn me(State(world): State<Shared>) -> Json<Value> {
    let live = world.live();
    Json(json!({
        "sub": "auth0|000000000000000000000001",
        "nickname": "sample",
        "email": "sample.user@example.com",
        "given_name": "Sample",
        "family_name": null,
        "name": "Sample User",
        "picture": null,
        "email_verified": true,
        "locale": "en",
        "balance": live.settings.balance,
        "vip": live.settings.vip,
        "admin": false,
        "id": ID,
    }))
}

pub(super) async fn ping() -> Json<&'static str> {
    Json("pong")
}
