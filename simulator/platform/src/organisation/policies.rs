//! Controls as AWS's policies: which there are, and what they are attached to.

use super::landing::of;
use super::units::{known, load, note};
use crate::Platform;
use crate::args;
use crate::edge::{At, Body, Can, need};
use crate::refusal::{Answer, Refusal};
use crate::store::{StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_dataplane::organisation::controls::Control;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(list_for_target))
        .routes(routes!(attach))
        .routes(routes!(detach))
}

/// Attaches a control to a unit; whether it was not there.
pub(super) async fn attach_to(
    app: &Platform,
    tx: &mut Transaction,
    provider: &str,
    unit: &str,
    control: Control,
) -> Result<bool, StoreError> {
    let sql = "insert into org_controls (provider_id, unit_id, control, attached_at) values ($1, $2, $3, $4) \
               on conflict do nothing";
    Ok(tx.execute(sql, args![provider, unit, control.id(), app.now_ms()]).await? == 1)
}

/// A control.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    id: &'static str,
    description: &'static str,
    /// As AWS calls what only takes away.
    r#type: &'static str,
}

impl Policy {
    const fn of(control: Control) -> Self {
        Self { id: control.id(), description: control.description(), r#type: "SERVICE_CONTROL_POLICY" }
    }
}

/// Controls, as AWS wraps them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    policies: Vec<Policy>,
}

/// What a control is attached to, or detached from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct Target {
    /// A unit, or the root.
    target_id: String,
}

/// All controls.
#[utoipa::path(get, path = "/api/management/v1/organization/policies", operation_id = "ListPolicies",
    tag = "organization", responses((status = 200, description = "The controls.", body = Policies)), security(("user" = [])))]
async fn list(_: Can<need::Children>) -> Json<Policies> {
    Json(Policies { policies: Control::ALL.map(Policy::of).into() })
}

/// The controls in force in a unit: its own, and those above.
#[utoipa::path(get, path = "/api/management/v1/organization/targets/{id}/policies",
    operation_id = "ListPoliciesForTarget", tag = "organization",
    params(("id" = String, Path, description = "The unit, or the root.")),
    responses((status = 200, description = "The controls.", body = Policies), (status = 404, description = "No such unit.")),
    security(("user" = [])))]
async fn list_for_target(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
) -> Answer<Json<Policies>> {
    let mut tx = app.begin().await?;
    known(&mut tx, &user.tenant, &id).await?;
    let units = load(&mut tx, &user.tenant, 0).await?;
    app.commit(tx).await?;
    Ok(Json(Policies { policies: units.in_force(&id).into_iter().map(Policy::of).collect() }))
}

fn control(id: &str) -> Answer<Control> {
    Control::find(id).ok_or_else(|| Refusal::not_found("PolicyNotFoundException: there is no such policy"))
}

/// Attach a control: it holds for every account below from now on, new ones too.
#[utoipa::path(post, path = "/api/management/v1/organization/policies/{id}/attach", operation_id = "AttachPolicy",
    tag = "organization", params(("id" = String, Path, description = "The control.")), request_body = Target,
    responses((status = 204, description = "It holds."), (status = 404, description = "No such control or unit."),
        (status = 409, description = "It was attached.")),
    security(("user" = [])))]
async fn attach(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    Body(Target { target_id }): Body<Target>,
) -> Answer<StatusCode> {
    let control = control(&id)?;
    let mut tx = app.begin().await?;
    of(&mut tx, &user.tenant).await?;
    known(&mut tx, &user.tenant, &target_id).await?;
    if !attach_to(&app, &mut tx, &user.tenant, &target_id, control).await? {
        return Err(Refusal::conflict("DuplicatePolicyAttachmentException: it is attached to this unit"));
    }
    note(&app, &mut tx, &user, "update", format!("attached {id} to {target_id}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Detach a control. It still holds where it is attached above.
#[utoipa::path(post, path = "/api/management/v1/organization/policies/{id}/detach", operation_id = "DetachPolicy",
    tag = "organization", params(("id" = String, Path, description = "The control.")), request_body = Target,
    responses((status = 204, description = "It holds no more."), (status = 404, description = "No such control or unit, or it was not attached.")),
    security(("user" = [])))]
async fn detach(
    State(app): State<Platform>,
    user: Can<need::Children>,
    At(id): At<String>,
    Body(Target { target_id }): Body<Target>,
) -> Answer<StatusCode> {
    let control = control(&id)?;
    let mut tx = app.begin().await?;
    of(&mut tx, &user.tenant).await?;
    known(&mut tx, &user.tenant, &target_id).await?;
    let sql = "delete from org_controls where provider_id = $1 and unit_id = $2 and control = $3";
    if tx.execute(sql, args![&user.tenant, &target_id, control.id()]).await? == 0 {
        return Err(Refusal::not_found("PolicyNotAttachedException: it is not attached to this unit"));
    }
    note(&app, &mut tx, &user, "update", format!("detached {id} from {target_id}")).await?;
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
