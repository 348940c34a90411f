//! Tokens of devices that shall open nothing any more.

use super::devices;
use super::reach::Reach;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Can, Operator, Params, need};
use crate::refusal::{Answer, Refusal};
use crate::rights::PermissionSet;
use crate::store::Tx;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(revoke))
}

pub(super) fn operator_operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(revoke_many))
}

/// Revoke a device's token: it opens nothing from now on. The device may ask for another.
#[utoipa::path(delete, path = "/api/management/v2/devauth/tokens/{id}",
    operation_id = "DeviceAuth Management Revoke API Token", tag = "devauth",
    params(("id" = String, Path, description = "The token's id (`jti`).")),
    responses((status = 204, description = "It is dead, or never lived.")), security(("user" = [])))]
async fn revoke(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At(jti): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let token = tx
        .first(
            "select device_id from device_tokens where tenant_id = $1 and jti = $2 order by jti",
            args![&user.tenant, &jti],
        )
        .await?;
    let Some(token) = token else { return Ok(StatusCode::NO_CONTENT) };
    let id = token.text("device_id")?;
    let device = devices::find(&mut tx, &user.tenant, &id).await?;
    Reach::to(&app, &user, PermissionSet::ManageDevices).demand(device.group.as_deref())?;
    if !app.defect(DefectId::RevokedTokenGood) {
        tx.execute("delete from device_tokens where tenant_id = $1 and jti = $2", args![&user.tenant, &jti]).await?;
    }
    let change = Some(format!("revoked the token {jti}"));
    app.audit(&mut tx, &user.tenant, &*user, "update", Object::device(&id, &device.identity), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke the tokens of a tenant's devices, or of one of them.
#[utoipa::path(delete, path = "/api/internal/v1/devauth/tokens",
    operation_id = "DeviceAuth Internal Revoke Device Tokens", tag = "devauth",
    params(("tenant_id" = String, Query, description = "The tenant."),
        ("device_id" = Option<String>, Query, description = "One of its devices; all when absent.")),
    responses((status = 204, description = "They are dead."), (status = 400, description = "No tenant.")),
    security(("operator" = [])))]
async fn revoke_many(State(app): State<Platform>, _: Operator, params: Params) -> Answer<StatusCode> {
    let tenant = params.one("tenant_id").ok_or_else(|| Refusal::bad_request("tenant_id is missing"))?;
    let mut tx = app.begin().await?;
    match params.one("device_id") {
        Some(device) => {
            let sql = "delete from device_tokens where tenant_id = $1 and device_id = $2";
            tx.execute(sql, args![tenant, device]).await?
        }
        None => tx.execute("delete from device_tokens where tenant_id = $1", args![tenant]).await?,
    };
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
