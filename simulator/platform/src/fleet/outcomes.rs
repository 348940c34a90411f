//! What came of deployments, device by device.

use super::artifacts::Artifact;
use super::deployment_status::Progress;
use super::deployments::{self, Deployment};
use super::devices;
use super::progress;
use super::reach::Reach;
use super::rollout::{self, Rollout};
use crate::Platform;
use crate::args;
use crate::audit::Object;
use crate::defects::DefectId;
use crate::edge::{At, Body, Can, Page, Params, need};
use crate::refusal::{Answer, Refusal};
use crate::rights::PermissionSet;
use crate::store::{Row, StoreError, Transaction, Tx};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use fleetproof_world::rfc3339;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn operations() -> OpenApiRouter<Platform> {
    OpenApiRouter::new()
        .routes(routes!(show_statistics))
        .routes(routes!(list_statistics))
        .routes(routes!(list_devices))
        .routes(routes!(list_ids))
        .routes(routes!(show_log))
        .routes(routes!(history, abort_for_device))
        .routes(routes!(forget_history))
}

/// A device in a deployment.
#[derive(Debug, Serialize, ToSchema)]
struct DeviceOutcome {
    id: String,
    status: String,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_type: Option<String>,
    /// Whether it sent a log.
    log: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    substate: Option<String>,
    attempts: i64,
    /// The phase that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase_id: Option<String>,
    /// What it was offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Artifact>,
}

impl DeviceOutcome {
    async fn read(tx: &mut Transaction, row: &Row, deployment: &Row) -> Result<Self, StoreError> {
        let time = |column: &str| {
            Ok::<_, StoreError>(row.maybe_int(column)?.and_then(|ms| u64::try_from(ms).ok()).map(rfc3339))
        };
        let artifact = row.maybe_text("artifact_id")?;
        let mut image = None;
        if let Some(id) = &artifact {
            let found = tx.first("select * from artifacts where id = $1 order by id", args![id]).await?;
            image = found.map(|found| Artifact::read(&found)).transpose()?;
        }
        Ok(Self {
            id: row.text("device_id")?,
            status: row.text("status")?,
            created: rfc3339(row.time("created_at")?),
            started: time("started_at")?,
            finished: time("finished_at")?,
            device_type: row.maybe_text("device_type")?,
            log: row.truth("has_log")?,
            substate: row.maybe_text("substate")?,
            attempts: row.int("attempts")?,
            phase_id: phase_id(row, deployment)?,
            image,
        })
    }
}

/// Whether a device has been installing for so long that something is wrong.
fn is_silent(app: &Platform, row: &Row) -> Result<bool, StoreError> {
    let began = row.maybe_int("started_at")?.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(u64::MAX);
    let status = row.text("status")?;
    Ok(matches!(status.as_str(), "installing" | "rebooting") && began < app.now_ms().saturating_sub(8_000))
}

/// The phase of the deployment that the device is in, if it has phases and the device has asked.
fn phase_id(row: &Row, deployment: &Row) -> Result<Option<String>, StoreError> {
    let Some(phase) = row.maybe_int("phase")? else { return Ok(None) };
    Ok(Rollout::read(deployment)?.pacing.phases.id(phase).map(str::to_owned))
}

/// How many devices are how far.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments/{deployment_id}/statistics",
    operation_id = "Deployment Status Statistics", tag = "deployments",
    params(("deployment_id" = String, Path, description = "The deployment.")),
    responses((status = 200, description = "Status, devices.", body = BTreeMap<String, i64>),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn show_statistics(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    At(id): At<String>,
) -> Answer<Json<BTreeMap<&'static str, i64>>> {
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    deployments::find(&mut tx, &user.tenant, &id).await?;
    let counts = deployments::statistics(&mut tx, &id).await?;
    app.commit(tx).await?;
    Ok(Json(counts))
}

/// Which deployments.
#[derive(Debug, Deserialize, ToSchema)]
struct Which {
    #[serde(default)]
    deployment_ids: Vec<String>,
}

/// The statistics of one of them.
#[derive(Debug, Serialize, ToSchema)]
struct Statistics {
    id: String,
    /// Status, devices.
    stats: BTreeMap<&'static str, i64>,
}

/// How many devices are how far, for several deployments.
#[utoipa::path(post, path = "/api/management/v1/deployments/deployments/statistics/list",
    operation_id = "Deployment Status Statistics List", tag = "deployments", request_body = Which,
    responses((status = 200, description = "For each, in the order asked.", body = Vec<Statistics>),
        (status = 404, description = "One of them is not there.")), security(("user" = [])))]
async fn list_statistics(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    Body(which): Body<Which>,
) -> Answer<Json<Vec<Statistics>>> {
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let mut all = Vec::with_capacity(which.deployment_ids.len());
    for id in which.deployment_ids {
        deployments::find(&mut tx, &user.tenant, &id).await?;
        all.push(Statistics { stats: deployments::statistics(&mut tx, &id).await?, id });
    }
    app.commit(tx).await?;
    Ok(Json(all))
}

/// Whether a device that is so far is asked for: by its status, or by `pause`, `active`, `finished`.
fn is_wanted(status: &str, wanted: &str) -> bool {
    let Some(progress) = Progress::named(status) else { return false };
    match wanted {
        "" => true,
        "pause" => status.starts_with("pause"),
        "active" => !progress.is_over() && progress != Progress::Pending,
        "finished" => progress.is_over(),
        wanted => status == wanted,
    }
}

/// The `status` of a query, which must be one that there is.
fn wanted_status(params: &Params) -> Result<&str, Refusal> {
    let wanted = params.one("status").unwrap_or_default();
    let known = ["", "pause", "active", "finished"].contains(&wanted) || Progress::named(wanted).is_some();
    if known { Ok(wanted) } else { Err(Refusal::bad_request("unknown status")) }
}

/// The devices in a deployment.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments/{deployment_id}/devices/list",
    operation_id = "List Devices in Deployment", tag = "deployments",
    params(("deployment_id" = String, Path, description = "The deployment."),
        ("status" = Option<String>, Query, description = "Only those so far; also pause, active, finished."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The devices.", body = Vec<DeviceOutcome>),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn list_devices(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    At(id): At<String>,
    params: Params,
    page: Page,
) -> Answer {
    let wanted = wanted_status(&params)?;
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let deployment = deployments::find(&mut tx, &user.tenant, &id).await?;
    let sql = "select d.*, case when l.device_id is null then 0 else 1 end as has_log from device_deployments d \
               left join deployment_logs l on l.deployment_id = d.deployment_id and l.device_id = d.device_id \
               where d.deployment_id = $1 order by d.device_id";
    let mut rows = Vec::new();
    for row in tx.query(sql, args![&id]).await? {
        if is_wanted(&row.text("status")?, wanted) {
            rows.push(row);
        }
    }
    let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let mut outcomes = Vec::new();
    for row in page.cut(rows) {
        let mut outcome = DeviceOutcome::read(&mut tx, &row, &deployment).await?;
        if app.defect(DefectId::SilentDeviceIsSuccess) && is_silent(&app, &row)? {
            outcome.status = "success".to_owned();
        }
        outcomes.push(outcome);
    }
    app.commit(tx).await?;
    Ok(page.answer(&outcomes, total))
}

/// The ids of the devices in a deployment.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments/{id}/device_list",
    operation_id = "List Device IDs in Deployment", tag = "deployments",
    params(("id" = String, Path, description = "The deployment.")),
    responses((status = 200, description = "Their ids.", body = Vec<String>),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn list_ids(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    At(id): At<String>,
) -> Answer<Json<Vec<String>>> {
    let mut tx = app.begin().await?;
    deployments::find(&mut tx, &user.tenant, &id).await?;
    let sql = "select device_id from device_deployments where deployment_id = $1 order by device_id";
    let rows = tx.query(sql, args![&id]).await?;
    app.commit(tx).await?;
    Ok(Json(rows.iter().map(|row| row.text("device_id")).collect::<Result<_, _>>()?))
}

/// What a device told of what went wrong.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments/{deployment_id}/devices/{device_id}/log",
    operation_id = "Get Deployment Log for Device", tag = "deployments",
    params(("deployment_id" = String, Path, description = "The deployment."),
        ("device_id" = String, Path, description = "The device.")),
    responses((status = 200, description = "The log.", content_type = "text/plain", body = String),
        (status = 404, description = "Not Found.")), security(("user" = [])))]
async fn show_log(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    At((deployment, device)): At<(String, String)>,
) -> Answer<Response> {
    let mut tx = app.begin().await?;
    let log = progress::log_of(&app, &mut tx, &user.tenant, &deployment, &device).await?;
    app.commit(tx).await?;
    let log = log.ok_or_else(|| Refusal::not_found("log not found"))?;
    Ok(([(header::CONTENT_TYPE, "text/plain")], log).into_response())
}

/// A deployment that a device was in.
#[derive(Debug, Serialize, ToSchema)]
struct Part {
    /// The deployment and the device, as one name.
    id: String,
    deployment: Deployment,
    device: DeviceOutcome,
}

/// The deployments that a device was in, the newest first.
#[utoipa::path(get, path = "/api/management/v1/deployments/deployments/devices/{id}",
    operation_id = "Deployments List Deployments for a Device", tag = "deployments",
    params(("id" = String, Path, description = "The device."),
        ("status" = Option<String>, Query, description = "Only where it is so far; also pause, active, finished."),
        ("page" = Option<i64>, Query, description = "From 1."),
        ("per_page" = Option<i64>, Query, description = "1 to 500, 20 when absent.")),
    responses((status = 200, description = "The deployments; none for a device that is not there.", body = Vec<Part>)),
    security(("user" = [])))]
async fn history(
    State(app): State<Platform>,
    user: Can<need::SeeDeployments>,
    At(id): At<String>,
    params: Params,
    page: Page,
) -> Answer {
    let wanted = wanted_status(&params)?;
    let mut tx = app.begin().await?;
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let sql = "select d.*, case when l.device_id is null then 0 else 1 end as has_log from device_deployments d \
               left join deployment_logs l on l.deployment_id = d.deployment_id and l.device_id = d.device_id \
               where d.tenant_id = $1 and d.device_id = $2 and d.hidden = 0 order by d.seq desc, d.deployment_id";
    let mut rows = Vec::new();
    for row in tx.query(sql, args![&user.tenant, &id]).await? {
        if is_wanted(&row.text("status")?, wanted) {
            rows.push(row);
        }
    }
    let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let mut parts = Vec::new();
    for row in page.cut(rows) {
        let deployment = row.text("deployment_id")?;
        let Some(found) = tx.first("select * from deployments where id = $1 order by id", args![&deployment]).await?
        else {
            continue;
        };
        parts.push(Part {
            id: format!("{deployment}.{id}"),
            deployment: Deployment::read(&mut tx, &found).await?,
            device: DeviceOutcome::read(&mut tx, &row, &found).await?,
        });
    }
    app.commit(tx).await?;
    Ok(page.answer(&parts, total))
}

/// The device, unless there is none like that; 403 unless the user may deploy to it.
async fn reached(
    app: &Platform,
    tx: &mut Transaction,
    user: &Can<need::Deploy>,
    id: &str,
) -> Answer<Option<devices::Known>> {
    match devices::find(tx, &user.tenant, id).await {
        Ok(device) => {
            Reach::to(app, user, PermissionSet::DeployToDevices).demand(device.group.as_deref())?;
            Ok(Some(device))
        }
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Abort all that a device has not ended.
#[utoipa::path(delete, path = "/api/management/v1/deployments/deployments/devices/{id}",
    operation_id = "Abort Deployments for a Device", tag = "deployments",
    params(("id" = String, Path, description = "The device.")),
    responses((status = 204, description = "Aborted, or there was nothing.")), security(("user" = [])))]
async fn abort_for_device(
    State(app): State<Platform>,
    user: Can<need::Deploy>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let Some(device) = reached(&app, &mut tx, &user, &id).await? else { return Ok(StatusCode::NO_CONTENT) };
    if rollout::end_all(&app, &mut tx, &user.tenant, &id, Progress::Aborted).await? > 0 {
        app.audit(&mut tx, &user.tenant, &*user, "abort", Object::device(&id, &device.identity), None).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget what a device has ended.
#[utoipa::path(delete, path = "/api/management/v1/deployments/deployments/devices/{id}/history",
    operation_id = "Reset Device Deployments history", tag = "deployments",
    params(("id" = String, Path, description = "The device.")),
    responses((status = 204, description = "Forgotten, or there was nothing.")), security(("user" = [])))]
async fn forget_history(
    State(app): State<Platform>,
    user: Can<need::Deploy>,
    At(id): At<String>,
) -> Answer<StatusCode> {
    let mut tx = app.begin().await?;
    let Some(device) = reached(&app, &mut tx, &user, &id).await? else { return Ok(StatusCode::NO_CONTENT) };
    rollout::settle(&app, &mut tx, &user.tenant).await?;
    let sql = "update device_deployments set hidden = 1 \
               where tenant_id = $1 and device_id = $2 and open = 0 and hidden = 0";
    if tx.execute(sql, args![&user.tenant, &id]).await? > 0 {
        let change = Some("deployment history forgotten".to_owned());
        app.audit(&mut tx, &user.tenant, &*user, "update", Object::device(&id, &device.identity), change).await?;
    }
    app.commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}
