//! The pace of a deployment: how far it is, and pause and continue.

use super::deployments;
use super::rollout::{self, Rollout, State as Pacing};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::edge::{At, Body, Can, need};
use crate::refusal::{Answer, Refusal};
use crate::store::Tx;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(show_pace, set_pace))
}

/// How far a deployment is, and how fast it goes.
#[derive(Debug, Serialize, ToSchema)]
struct ShownPace {
    /// scheduled, running, paused, aborted or finished.
    state: &'static str,
    /// Who aborted it: `user`, or `threshold` when too many had failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    aborted_by: Option<String>,
    /// Devices that were told of it.
    notified: u64,
    /// Devices that have ended it, but for those that were aborted or are gone.
    ended: u64,
    /// Of these, those that succeeded.
    succeeded: u64,
    /// Of these, those that failed or ran out of time.
    failed: u64,
    /// Devices a minute, as it has grown.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    /// When the next phase begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_phase: Option<String>,
}

/// How far a deployment is, and how fast it goes.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments/{deployment_id}/pace",
    operation_id = "x_fleetproof Show Pace", tag = "deployments",
    params(("deployment_id" = String, Path, description = "The deployment.")),
    responses((status = 200, description = "Its pace.", body = ShownPace), (status = 404, description = "Not Found.")),
    security(("user" = [])))]
async fn show_pace(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    At(id): At<String>,
) -> Answer<Json<ShownPace>> {
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let rollout = Rollout::read(&deployments::find(&mut tx, &user.tenant, &id).await?)?;
    app.commit(tx).await?;
    let is_open = rollout.finished_at.is_none();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let rate = rollout.pacing.rate.map(|rate| rate.thousandths(&rollout.tally) as f64 / 1e3);
    Ok(Json(ShownPace {
        state: rollout.state().name(),
        notified: rollout.tally.notified,
        ended: rollout.tally.ended,
        succeeded: rollout.tally.succeeded,
        failed: rollout.tally.failed,
        rate: rate.filter(|_| is_open),
        next_phase: rollout.pacing.phases.next_start(app.now_ms()).filter(|_| is_open).map(rfc3339),
        aborted_by: rollout.aborted_by,
    }))
}

/// What shall become of the pace.
#[derive(Debug, Deserialize, ToSchema)]
struct NewPace {
    /// `paused`: no device begins an attempt, those under way go on. `running`: as before.
    state: String,
}

/// Pause a deployment, or let it go on.
#[utoipa::path(put, path = "/api/management/v1/deployments/deployments/{deployment_id}/pace",
    operation_id = "x_fleetproof Set Pace", tag = "deployments", request_body = NewPace,
    params(("deployment_id" = String, Path, description = "The deployment.")),
    responses((status = 204, description = "It is so."), (status = 404, description = "Not Found."),
        (status = 422, description = "It has ended.")), security(("user" = [])))]
async fn set_pace(
    State(app): State<Platform>,
    user: Can<need::Deploy>,
    At(id): At<String>,
    Body(new): Body<NewPace>,
) -> Answer<StatusCode> {
    let paused = match new.state.as_str() {
        "paused" => true,
        "running" => false,
        _ => return Err(Refusal::bad_request("state: must be paused or running")),
    };
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let sql = "update deployments set paused = $3 where tenant_id = $1 and id = $2 and finished_at is null \
               and paused <> $3";
    let changed = tx.execute(sql, args![&user.tenant, &id, paused]).await?;
    let row = deployments::find(&mut tx, &user.tenant, &id).await?;
    if matches!(Rollout::read(&row)?.state(), Pacing::Aborted | Pacing::Finished) {
        return Err(Refusal::unprocessable("Deployment already finished"));
    }
    if changed == 1 {
        let object = Object::deployment(&id, &row.text("name")?, &row.text("artifact_name")?);
        let change = Some(if paused { "paused" } else { "continued" }.to_owned());
        app.audit(&mut tx, &user.tenant, &*user, "update", object, change).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
