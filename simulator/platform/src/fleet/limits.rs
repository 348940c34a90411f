//! How many devices the tenant may have, as its users see it.

use crate::Platform;
use crate::args;
use crate::edge::{At, Can, need};
use crate::refusal::{Answer, Refusal};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_per_tier)).routes(routes!(show))
}

/// A limit.
#[derive(Debug, Serialize, ToSchema)]
struct Limit {
    /// -1: without limit, 0: none.
    limit: i64,
}

/// A limit per kind of device; -1 without limit.
#[derive(Debug, Serialize, ToSchema)]
struct Tiers {
    standard: i64,
    micro: i64,
    system: i64,
    test: i64,
}

async fn of_tenant(app: &Platform, tenant: &str) -> Answer<i64> {
    let mut tx = app.begin().await?;
    let limit = tx.number("select lim as n from tenants where id = $1 order by id", args![tenant]).await?;
    app.commit(tx).await?;
    Ok(limit)
}

/// A limit of the tenant. Devices of all tiers count together as `max_devices`.
#[utoipa::path(get, path = "/api/management/v2/devauth/limits/{name}",
    operation_id = "DeviceAuth Management Get Device Limit", tag = "devauth",
    params(("name" = String, Path, description = "max_devices, max_micro_devices or max_system_devices.")),
    responses((status = 200, description = "The limit.", body = Limit), (status = 400, description = "There is no such limit.")),
    security(("user" = [])))]
async fn show(State(app): State<Platform>, user: Can<need::SeeDevices>, At(name): At<String>) -> Answer<Json<Limit>> {
    match name.as_str() {
        "max_devices" => Ok(Json(Limit { limit: of_tenant(&app, &user.tenant).await? })),
        "max_micro_devices" | "max_system_devices" => Ok(Json(Limit { limit: -1 })),
        _ => Err(Refusal::bad_request(format!("unsupported limit {name}"))),
    }
}

/// All limits of the tenant. The tiers share the first.
#[utoipa::path(get, path = "/api/management/v2/devauth/limits/devices", operation_id = "Get Device Limits Per Tier",
    tag = "devauth", responses((status = 200, description = "The limits.", body = Tiers)), security(("user" = [])))]
async fn show_per_tier(State(app): State<Platform>, user: Can<need::SeeDevices>) -> Answer<Json<Tiers>> {
    let standard = of_tenant(&app, &user.tenant).await?;
    Ok(Json(Tiers { standard, micro: -1, system: -1, test: -1 }))
}
