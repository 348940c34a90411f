//! Authentication sets: the keys that a device showed, and what is decided about them.

use super::authentication::accept;
use super::device_status::Status;
use super::devices;
use super::reach::Reach;
use super::slots;
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, need};
use crate::refusal::{Answer, Refusal};
use crate::rights::PermissionSet;
use crate::store::{Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_status, set_status)).routes(routes!(remove))
}

/// The status of an authentication set.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct SetStatus {
    #[schema(inline)]
    status: Status,
}

/// 404 when the tenant has no such device with such a set.
async fn status_of(tx: &mut Transaction, tenant: &str, device: &str, set: &str) -> Result<Status, Refusal> {
    let row = tx
        .first(
            "select status from auth_sets where tenant_id = $1 and device_id = $2 and id = $3 order by id",
            args![tenant, device, set],
        )
        .await?;
    let row = row.ok_or_else(|| Refusal::not_found("authorization set not found"))?;
    Status::named(&row.text("status")?).ok_or_else(|| Refusal::internal("an authentication set without a status"))
}

/// The status of an authentication set.
#[utoipa::path(get, path = "/api/management/v2/devauth/devices/{id}/auth/{aid}/status",
    operation_id = "DeviceAuth Management Get Authentication Status", tag = "devauth",
    params(("id" = String, Path, description = "The device."), ("aid" = String, Path, description = "The set.")),
    responses((status = 200, description = "The status.", body = SetStatus), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn show_status(
    State(app): State<Platform>,
    user: Can<need::SeeDevices>,
    At((id, set)): At<(String, String)>,
) -> Answer<Json<SetStatus>> {
    let mut tx = app.begin().await?;
    let status = status_of(&mut tx, &user.tenant, &id, &set).await?;
    Reach::to_see(&user).demand(devices::find(&mut tx, &user.tenant, &id).await?.group.as_deref())?;
    app.commit(tx).await?;
    Ok(Json(SetStatus { status }))
}

/// Accept or reject. Accepting one set rejects the device's others; a device that is accepted takes one of the
/// tenant's slots until it is not any more.
#[utoipa::path(put, path = "/api/management/v2/devauth/devices/{id}/auth/{aid}/status",
    operation_id = "DeviceAuth Management Set Authentication Status", tag = "devauth", request_body = SetStatus,
    params(("id" = String, Path, description = "The device."), ("aid" = String, Path, description = "The set.")),
    responses((status = 204, description = "Done."), (status = 404, description = "Not Found."),
        (status = 422, description = "The limit of accepted devices is reached.")),
    security(("user" = [])))]
async fn set_status(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At((id, set)): At<(String, String)>,
    Body(wanted): Body<SetStatus>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let from = status_of(&mut tx, &user.tenant, &id, &set).await?;
    let device = devices::find(&mut tx, &user.tenant, &id).await?;
    Reach::to(&app, &user, PermissionSet::ManageDevices).demand(device.group.as_deref())?;
    if !from.may_become(wanted.status) {
        let why = format!("cannot turn a set that is {} into {}", from.name(), wanted.status.name());
        return Err(Refusal::bad_request(why));
    }
    if wanted.status == Status::Accepted {
        if device.status != Status::Accepted {
            let (after, taken) = slots::take(&app, tx, &user.tenant).await?;
            tx = after;
            if !taken {
                return Err(Refusal::unprocessable("maximum number of accepted devices reached"));
            }
        }
        accept(&app, &mut tx, &user.tenant, &id, &set, device.status).await?;
    } else {
        tx.execute("update auth_sets set status = $2 where id = $1", args![&set, wanted.status.name()]).await?;
        slots::settle(&app, &mut tx, &user.tenant, &id, device.status).await?;
    }
    let action = if wanted.status == Status::Rejected { "reject" } else { "update" };
    let change = Some(format!("authentication set {set}: {} -> {}", from.name(), wanted.status.name()));
    app.audit(&mut tx, &user.tenant, &*user, action, Object::device(&id, &device.identity), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a key: the device has to knock again.
#[utoipa::path(delete, path = "/api/management/v2/devauth/devices/{id}/auth/{aid}",
    operation_id = "DeviceAuth Management Remove authentication", tag = "devauth",
    params(("id" = String, Path, description = "The device."), ("aid" = String, Path, description = "The set.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn remove(
    State(app): State<Platform>,
    user: Can<need::ChangeDevices>,
    At((id, set)): At<(String, String)>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    status_of(&mut tx, &user.tenant, &id, &set).await?;
    let device = devices::find(&mut tx, &user.tenant, &id).await?;
    Reach::to(&app, &user, PermissionSet::ManageDevices).demand(device.group.as_deref())?;
    tx.execute("delete from auth_sets where id = $1", args![&set]).await?;
    slots::settle(&app, &mut tx, &user.tenant, &id, device.status).await?;
    let change = Some(format!("removed the authentication set {set}"));
    app.audit(&mut tx, &user.tenant, &*user, "update", Object::device(&id, &device.identity), change).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
